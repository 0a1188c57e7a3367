use std::net::Ipv4Addr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};

use super::super::admission::AdmissionLimits;
use super::*;

/// Far more than what a peer takes without reading.
const LONG: usize = 1 << 20;

struct Long;

impl Site for Long {
    async fn respond(&self, _: Request<Incoming>, _: SocketAddr) -> Response<Full<Bytes>> {
        Response::new(vec![b'x'; LONG].into())
    }
}

/// A connection that is served, and has room for 4 KiB that nobody has read.
fn serve() -> (DuplexStream, impl Future<Output = ()>) {
    serve_counted(&Arc::default())
}

fn serve_counted(port: &Arc<Port>) -> (DuplexStream, impl Future<Output = ()> + use<>) {
    let limits = AdmissionLimits {
        total: 1,
        per_address: None,
    };
    let admission = Admission::new(limits);
    let now = Instant::now().into_std();
    let (pass, _) = (admission.connection(None, now)).expect("there is a place");
    let (stop, stopping) = watch::channel(false);
    let door = Door {
        site: Arc::new(Long),
        gate: Arc::new(Gate {
            admission,
            proxies: TrustedProxies::default(),
            port: Arc::clone(port),
        }),
        tls: None,
        stopping,
        alive: mpsc::channel(1).0,
    };
    let (near, far) = duplex(4096);
    let peer = SocketAddr::from((Ipv4Addr::LOCALHOST, 40_000));
    let serving = async move {
        door.requests(near, peer, pass).await;
        drop(stop);
    };
    (far, serving)
}

async fn ask(far: &mut DuplexStream) {
    let asked = far.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    asked.await.expect("there is room for it");
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_does_not_read_its_answer_loses_the_connection_in_time() {
    let (mut far, serving) = serve();
    let begun = Instant::now();
    ask(&mut far).await;
    timeout(3 * HTTP.write_timeout, serving)
        .await
        .expect("it has an end");
    assert_eq!(begun.elapsed(), HTTP.write_timeout);
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_asks_for_nothing_loses_the_connection_in_time_and_is_counted() {
    let port = Arc::<Port>::default();
    let (mut far, serving) = serve_counted(&port);
    let begun = Instant::now();
    let half = far.write_all(b"GET / HTTP/1.1\r\nHo");
    half.await.expect("there is room for it");
    serving.await;
    assert_eq!(begun.elapsed(), HTTP.header_timeout);
    assert_eq!(port.refused.read(), [(SILENT, 1)]);
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_reads_slowly_gets_the_whole_answer() {
    let (mut far, serving) = serve();
    let serving = tokio::spawn(serving);
    ask(&mut far).await;
    let mut read = 0;
    while read < LONG {
        sleep(HTTP.write_timeout - Duration::from_secs(1)).await;
        let mut some = [0; 4096];
        let got = far.read(&mut some).await.expect("the connection stands");
        assert!(got > 0, "the answer ended after {read} bytes");
        read += got;
    }
    serving.abort();
}
