/** Listens on `127.0.0.1:$PORT` (0 or absent: a free one) and prints `ready PORT`, like the example servers. */
export function announce(http) {
  http.listen(Number(process.env.PORT ?? 0), "127.0.0.1", () => {
    console.log(`ready ${http.address().port}`);
  });
}
