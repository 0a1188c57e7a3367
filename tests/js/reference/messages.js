/** What `socketio_suite` and `full` have in common: `auth` on connect, `message` and `message-with-ack`. */
export function answerMessages(socket) {
  socket.emit("auth", socket.handshake.auth);
  socket.on("message", (...args) => socket.emit("message-back", ...args));
  socket.on("message-with-ack", (...args) => args.pop()(...args));
}
