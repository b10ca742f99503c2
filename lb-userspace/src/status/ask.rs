//! How an edge asks the daemon.

use std::time::Duration;

use tokio::{
    sync::{mpsc, oneshot},
    time::timeout,
};

use super::Status;

/// How long the daemon may take. Its loop answers between two events, so longer means trouble.
const LIMIT: Duration = Duration::from_secs(2);

/// Where questions go.
pub type Ask = mpsc::Sender<Question>;

/// A question brings the way back for its answer. Who asked may be gone by then: then the answer goes
/// nowhere, which is no error.
#[derive(Debug)]
pub enum Question {
    /// Whether the daemon's loop turns.
    Alive(oneshot::Sender<()>),
    /// What there is to say of everything.
    Status(oneshot::Sender<Status>),
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unanswered {
    #[error("the daemon did not answer within {} s", LIMIT.as_secs())]
    Busy,
    #[error("the daemon is stopping")]
    Stopping,
}

pub(crate) async fn alive(daemon: &Ask) -> Result<(), Unanswered> {
    ask(daemon, Question::Alive).await
}

pub(crate) async fn status(daemon: &Ask) -> Result<Status, Unanswered> {
    ask(daemon, Question::Status).await
}

async fn ask<T>(daemon: &Ask, question: fn(oneshot::Sender<T>) -> Question) -> Result<T, Unanswered> {
    let (answer, answered) = oneshot::channel();
    let exchange = async {
        daemon.send(question(answer)).await.map_err(|_closed| Unanswered::Stopping)?;
        answered.await.map_err(|_dropped| Unanswered::Stopping)
    };
    timeout(LIMIT, exchange).await.unwrap_or(Err(Unanswered::Busy))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_daemon_that_does_not_answer_is_busy() {
        let (daemon, mut questions) = mpsc::channel(1);
        let began = tokio::time::Instant::now();
        assert_eq!(alive(&daemon).await, Err(Unanswered::Busy));
        assert_eq!(began.elapsed(), LIMIT);
        questions.recv().await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_full_queue_counts_into_the_limit() {
        let (daemon, _questions) = mpsc::channel(1);
        daemon.send(Question::Alive(oneshot::channel().0)).await.unwrap();
        let began = tokio::time::Instant::now();
        assert_eq!(status(&daemon).await, Err(Unanswered::Busy));
        assert_eq!(began.elapsed(), LIMIT);
    }

    #[tokio::test]
    async fn a_daemon_that_is_gone_is_stopping() {
        let (daemon, questions) = mpsc::channel(1);
        drop(questions);
        assert_eq!(alive(&daemon).await, Err(Unanswered::Stopping));
    }

    #[tokio::test]
    async fn a_question_that_is_dropped_is_answered_by_that() {
        let (daemon, mut questions) = mpsc::channel(1);
        let (answer, ()) = tokio::join!(alive(&daemon), async { drop(questions.recv().await) });
        assert_eq!(answer, Err(Unanswered::Stopping));
    }
}
