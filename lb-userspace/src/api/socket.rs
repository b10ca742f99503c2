//! The socket's file: made for this daemon, never taken from another, gone when it stops.

use std::{
    fs::{self, DirBuilder, Metadata, Permissions},
    io,
    os::unix::fs::{DirBuilderExt as _, FileTypeExt as _, MetadataExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use nix::sys::stat::{Mode, fchmod};
use tokio::net::{UnixListener, UnixSocket, UnixStream};

/// Connections that wait to be accepted.
const BACKLOG: u32 = 64;
/// The owner and the group may ask.
const MODE: u32 = 0o660;
const DIRECTORY_MODE: u32 = 0o755;

#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    #[error("another pointsman answers at `{}`", path.display())]
    InUse { path: PathBuf },
    #[error("`{}` is not a socket; it is left alone", path.display())]
    NotASocket { path: PathBuf },
    #[error("make directory `{}` for the API's socket", path.display())]
    Directory { path: PathBuf, source: io::Error },
    #[error("see whether another pointsman answers at `{}`", path.display())]
    Probe { path: PathBuf, source: io::Error },
    #[error("remove `{}`, which a pointsman left that is gone", path.display())]
    Stale { path: PathBuf, source: io::Error },
    #[error("listen at `{}`", path.display())]
    Listen { path: PathBuf, source: io::Error },
}

/// The API's socket, which listens. Dropping it removes the file.
#[derive(Debug)]
pub struct Socket {
    listener: UnixListener,
    file: File,
}

/// Removes the file when dropped, if it still is the one that was made.
#[derive(Debug)]
pub(super) struct File {
    path: PathBuf,
    identity: (u64, u64),
}

impl Socket {
    /// Listens at `path`, where nobody else does.
    ///
    /// # Errors
    /// Another daemon answers there, something else is in the way, or the kernel refused.
    pub async fn bind(path: &Path) -> Result<Self, SocketError> {
        if let Some(parent) = path.parent().filter(|parent| !parent.exists()) {
            make(parent).map_err(|source| SocketError::Directory { path: parent.to_owned(), source })?;
        }
        clear(path).await?;
        let (listener, metadata) =
            listen(path).map_err(|source| SocketError::Listen { path: path.to_owned(), source })?;
        Ok(Self { listener, file: File { path: path.to_owned(), identity: identity(&metadata) } })
    }

    pub(super) fn into_parts(self) -> (UnixListener, File) {
        (self.listener, self.file)
    }
}

fn make(directory: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(DIRECTORY_MODE).create(directory)?;
    // Whatever the umask is.
    fs::set_permissions(directory, Permissions::from_mode(DIRECTORY_MODE))
}

/// Makes sure that nothing is at `path`: removes the socket of a daemon that is gone, and nothing else.
async fn clear(path: &Path) -> Result<(), SocketError> {
    let probe = |source| SocketError::Probe { path: path.to_owned(), source };
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(probe(error)),
        // The kernel refuses to connect to a plain file just as to a socket that nobody listens at.
        Ok(metadata) if !metadata.file_type().is_socket() => {
            return Err(SocketError::NotASocket { path: path.to_owned() });
        }
        Ok(_socket) => {}
    }
    match UnixStream::connect(path).await {
        // A full backlog is a busy daemon's.
        Ok(_) => Err(SocketError::InUse { path: path.to_owned() }),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
            Err(SocketError::InUse { path: path.to_owned() })
        }
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            fs::remove_file(path).map_err(|source| SocketError::Stale { path: path.to_owned(), source })
        }
        Err(error) => Err(probe(error)),
    }
}

fn listen(path: &Path) -> io::Result<(UnixListener, Metadata)> {
    let socket = UnixSocket::new_stream()?;
    // The file gets the descriptor's mode less the umask, so that it is at no time open to others.
    fchmod(&socket, Mode::from_bits_truncate(MODE))?;
    socket.bind(path)?;
    fs::set_permissions(path, Permissions::from_mode(MODE))?;
    let metadata = fs::symlink_metadata(path)?;
    Ok((socket.listen(BACKLOG)?, metadata))
}

fn identity(metadata: &Metadata) -> (u64, u64) {
    (metadata.dev(), metadata.ino())
}

impl Drop for File {
    fn drop(&mut self) {
        let ours = fs::symlink_metadata(&self.path).is_ok_and(|it| identity(&it) == self.identity);
        if ours && let Err(error) = fs::remove_file(&self.path) {
            tracing::warn!(path = %self.path.display(), %error, "the API's socket cannot be removed");
        }
    }
}
