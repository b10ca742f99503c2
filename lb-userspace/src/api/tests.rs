use std::{
    fs,
    os::unix::fs::{FileTypeExt as _, PermissionsExt as _},
    path::Path,
    time::Duration,
};

use tokio::{
    net::{UnixListener, UnixStream},
    sync::{mpsc, oneshot},
    task::JoinHandle,
    time::Instant,
};

use super::*;
use crate::{
    serve::tests::{Answer, Folder, ask},
    status::sample,
};

struct Api {
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

async fn start(path: &Path, daemon: Ask) -> Api {
    let socket = Socket::bind(path).await.unwrap();
    let (stop, stopped) = oneshot::channel();
    let task = tokio::spawn(serve(socket, daemon, async {
        stopped.await.unwrap();
    }));
    Api { stop, task }
}

async fn get(path: &Path, what: &str) -> Answer {
    ask(UnixStream::connect(path).await.unwrap(), &format!("GET {what}")).await
}

async fn refused(path: &Path) -> String {
    Socket::bind(path).await.unwrap_err().to_string()
}

#[tokio::test]
async fn the_daemons_status_comes_over_the_socket() {
    let folder = Folder::new("api-status");
    let path = folder.join("api.sock");
    let (daemon, _task) = sample::daemon(sample::status());
    let _api = start(&path, daemon).await;
    let answer = get(&path, "/v1/status").await;
    assert_eq!(answer.code, 200);
    assert_eq!(serde_json::from_value::<Status>(answer.json()).unwrap(), sample::status());
}

#[tokio::test]
async fn version_and_health_are_there() {
    let folder = Folder::new("api-small");
    let path = folder.join("api.sock");
    let (daemon, _task) = sample::daemon(sample::status());
    let _api = start(&path, daemon).await;
    assert_eq!(get(&path, "/v1/version").await.json(), json!({ "version": env!("CARGO_PKG_VERSION") }));
    assert_eq!(get(&path, "/healthz").await.json(), json!({ "status": "ok" }));
    assert_eq!(get(&path, "/").await.refusal().0, "not-found");
    let answer = ask(UnixStream::connect(&path).await.unwrap(), "POST /v1/status").await;
    assert_eq!((answer.code, answer.refusal().0.as_str()), (405, "method-not-allowed"));
}

#[tokio::test(start_paused = true)]
async fn a_busy_daemon_is_a_503_within_bounds() {
    let folder = Folder::new("api-busy");
    let path = folder.join("api.sock");
    let (daemon, _questions) = mpsc::channel(1);
    let _api = start(&path, daemon).await;
    for what in ["/v1/status", "/healthz"] {
        let began = Instant::now();
        let answer = get(&path, what).await;
        assert_eq!(answer.code, 503);
        let message = "the daemon did not answer within 2 s".to_owned();
        assert_eq!(answer.refusal(), ("busy".to_owned(), message));
        assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
    }
    assert_eq!(get(&path, "/v1/version").await.code, 200, "that takes no daemon");
}

#[tokio::test]
async fn a_daemon_that_stops_says_so() {
    let folder = Folder::new("api-stopping");
    let path = folder.join("api.sock");
    let (daemon, questions) = mpsc::channel(1);
    drop(questions);
    let _api = start(&path, daemon).await;
    let answer = get(&path, "/v1/status").await;
    assert_eq!((answer.code, answer.refusal().0.as_str()), (503, "stopping"));
}

#[tokio::test]
async fn the_socket_is_for_owner_and_group_and_goes_when_the_daemon_stops() {
    let folder = Folder::new("api-socket");
    let path = folder.join("run/pointsman/api.sock");
    let (daemon, _task) = sample::daemon(sample::status());
    let api = start(&path, daemon).await;
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
    assert_eq!(mode(&path), 0o660);
    assert_eq!(mode(path.parent().unwrap()), 0o755);
    api.stop.send(()).unwrap();
    api.task.await.unwrap();
    assert!(!path.exists());
}

#[tokio::test]
async fn the_socket_of_a_dead_daemon_is_replaced() {
    let folder = Folder::new("api-stale");
    let path = folder.join("api.sock");
    drop(UnixListener::bind(&path).unwrap());
    assert!(path.exists(), "as a killed daemon leaves it");
    let (daemon, _task) = sample::daemon(sample::status());
    let _api = start(&path, daemon).await;
    assert_eq!(get(&path, "/healthz").await.code, 200);
}

#[tokio::test]
async fn the_socket_of_a_living_daemon_is_left_alone() {
    let folder = Folder::new("api-live");
    let path = folder.join("api.sock");
    let (daemon, _task) = sample::daemon(sample::status());
    let _api = start(&path, daemon).await;
    assert_eq!(refused(&path).await, format!("another pointsman answers at `{}`", path.display()));
    assert_eq!(get(&path, "/healthz").await.code, 200, "and it still does");
}

#[tokio::test]
async fn a_file_that_is_no_socket_is_left_alone() {
    let folder = Folder::new("api-file");
    let path = folder.join("api.sock");
    fs::write(&path, "precious").unwrap();
    let said = format!("`{}` is not a socket; it is left alone", path.display());
    assert_eq!(refused(&path).await, said);
    assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
    // Nor is what a link points at, be it a socket or nothing.
    let link = folder.join("link.sock");
    std::os::unix::fs::symlink(folder.join("nothing"), &link).unwrap();
    assert_eq!(refused(&link).await, format!("`{}` is not a socket; it is left alone", link.display()));
}

#[tokio::test]
async fn a_path_that_cannot_be_is_refused() {
    let folder = Folder::new("api-path");
    let path = folder.join("x".repeat(108));
    assert_eq!(refused(&path).await, format!("listen at `{}`", path.display()));
    fs::write(folder.join("file"), "").unwrap();
    let under_a_file = folder.join("file/run/api.sock");
    let directory = folder.join("file/run");
    let said = format!("make directory `{}` for the API's socket", directory.display());
    assert_eq!(refused(&under_a_file).await, said);
}

#[tokio::test]
async fn a_stopping_daemon_leaves_the_socket_of_its_successor() {
    let folder = Folder::new("api-successor");
    let path = folder.join("api.sock");
    let old = Socket::bind(&path).await.unwrap();
    fs::rename(&path, folder.join("moved.sock")).unwrap();
    let new = Socket::bind(&path).await.unwrap();
    drop(old);
    assert!(fs::metadata(&path).unwrap().file_type().is_socket());
    drop(new);
    assert!(!path.exists());
}
