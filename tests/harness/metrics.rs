//! The daemon's metrics, scraped.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow};

use crate::client::Client;
use crate::netns::Namespace;
use crate::status;
use crate::wait;

const LIMIT: Duration = Duration::from_secs(5);

/// Every sample of `/metrics` by its name and labels, as they stand on the page: `name{label="value",..}`.
///
/// The daemon's own tests see to the format.
pub async fn scrape(namespace: &Namespace, at: SocketAddr) -> Result<BTreeMap<String, f64>> {
    let act = || format!("scrape http://{at}/metrics");
    let work = async {
        let stream = Client::new(namespace, LIMIT).stream(None, at).await;
        status::fetch(stream.map_err(|failure| anyhow!("{failure}"))?, "/metrics").await
    };
    let page = wait::within(act(), LIMIT, work).await?.with_context(act)?;
    let page = std::str::from_utf8(&page).with_context(act)?;
    let samples = page.lines().filter(|line| !line.starts_with('#'));
    samples
        .map(|line| {
            let (name, value) = line.rsplit_once(' ').with_context(|| format!("{}: `{line}`", act()))?;
            Ok((name.to_owned(), value.parse().with_context(|| format!("{}: `{line}`", act()))?))
        })
        .collect()
}
