use std::{
    fs, iter,
    path::{Path, PathBuf},
};

use axum::routing::get;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::oneshot,
    task::JoinHandle,
    time::{Instant, sleep},
};

use super::*;

/// A folder of the test's own, gone with it.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("pointsman-{}-{name}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(crate) fn join(&self, name: impl AsRef<Path>) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap();
    }
}

pub(crate) struct Answer {
    pub(crate) code: u16,
    /// In lower case.
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn json(&self) -> serde_json::Value {
        assert!(self.head.contains("\r\ncontent-type: application/json\r\n"), "{}", self.head);
        serde_json::from_str(&self.body).unwrap()
    }

    /// The code and the message of a refusal.
    pub(crate) fn refusal(&self) -> (String, String) {
        let error = &self.json()["error"];
        let text = |key: &str| error[key].as_str().unwrap().to_owned();
        (text("code"), text("message"))
    }
}

/// Asks, and reads until the other side closes.
pub(crate) async fn ask(mut stream: impl AsyncRead + AsyncWrite + Unpin, what: &str) -> Answer {
    let request = format!("{what} HTTP/1.1\r\nhost: pointsman\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let code = head.split(' ').nth(1).unwrap().parse().unwrap();
    Answer { code, head: format!("{}\r\n", head.to_lowercase()), body: body.to_owned() }
}

struct Server {
    address: std::net::SocketAddr,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

/// Answers `/` at once and `/slowly` after a second.
async fn server() -> Server {
    let router = Router::new().route("/", get(async || "hello")).route(
        "/slowly",
        get(async || {
            sleep(Duration::from_secs(1)).await;
            "late"
        }),
    );
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel();
    let task = tokio::spawn(serve(listener, refusing_the_rest(router), async {
        stopped.await.unwrap();
    }));
    Server { address, stop, task }
}

async fn connect(server: &Server) -> TcpStream {
    TcpStream::connect(server.address).await.unwrap()
}

#[tokio::test]
async fn a_connection_carries_one_request() {
    let server = server().await;
    let answer = ask(connect(&server).await, "GET /").await;
    assert_eq!((answer.code, answer.body.as_str()), (200, "hello"));
    assert!(answer.head.contains("\r\nconnection: close\r\n"), "{}", answer.head);
}

#[tokio::test]
async fn what_is_not_there_is_refused_in_json() {
    let server = server().await;
    let answer = ask(connect(&server).await, "GET /here?a=b").await;
    assert_eq!(answer.code, 404);
    assert_eq!(answer.refusal(), ("not-found".to_owned(), "nothing is at `/here`".to_owned()));

    let answer = ask(connect(&server).await, "DELETE /").await;
    assert_eq!(answer.code, 405);
    assert!(answer.head.contains("\r\nallow: get,head\r\n"), "{}", answer.head);
    let message = "`/` is not for DELETE; allowed: GET, HEAD".to_owned();
    assert_eq!(answer.refusal(), ("method-not-allowed".to_owned(), message));
}

#[tokio::test]
async fn what_is_not_http_is_refused() {
    let server = server().await;
    assert_eq!(ask(connect(&server).await, "\x16\x03\x01").await.code, 400);
    // What came after it goes on to be served.
    assert_eq!(ask(connect(&server).await, "GET /").await.code, 200);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_says_nothing_is_dropped() {
    let server = server().await;
    let began = Instant::now();
    let mut silent = connect(&server).await;
    assert_eq!(silent.read_to_end(&mut Vec::new()).await.unwrap(), 0);
    assert!(began.elapsed() >= LONGEST, "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn who_comes_when_all_connections_are_taken_waits() {
    let server = server().await;
    let began = Instant::now();
    let silent: Vec<TcpStream> =
        futures_util::future::join_all(iter::repeat_with(|| connect(&server)).take(MOST_CONNECTIONS)).await;
    assert_eq!(ask(connect(&server).await, "GET /").await.code, 200);
    assert!(began.elapsed() >= LONGEST, "{:?}", began.elapsed());
    drop(silent);
}

#[tokio::test(start_paused = true)]
async fn stopping_waits_for_the_answers_under_way() {
    let server = server().await;
    let asked = ask(connect(&server).await, "GET /slowly");
    let (answer, ()) = tokio::join!(asked, async {
        sleep(Duration::from_millis(500)).await;
        server.stop.send(()).unwrap();
    });
    assert_eq!(answer.body, "late");
    server.task.await.unwrap();
    assert!(TcpStream::connect(server.address).await.is_err(), "it listens no more");
}

#[tokio::test(start_paused = true)]
async fn stopping_does_not_wait_for_who_says_nothing() {
    let server = server().await;
    let _silent = connect(&server).await;
    sleep(Duration::from_millis(500)).await;
    let began = Instant::now();
    server.stop.send(()).unwrap();
    server.task.await.unwrap();
    assert_eq!(began.elapsed(), GRACE);
}
