//! What the tests, the demo and the bench share: a small network of namespaces, and what lives in it.
//!
//! ```text
//!                     +---------+
//!     clients --------| router  |-------- edge (runs the daemon; a second arm if asked for)
//!                     +---------+
//!                      |   |   |
//!                  node-1 ... node-N
//! ```
//!
//! Architecture invariant: nothing here knows the load balancer beyond its command line, its configuration
//! file and its status page, so a lab without a load balancer is a lab too.

pub mod capture;
pub mod client;
pub mod clock;
pub mod command;
pub mod daemon;
pub mod echo;
pub mod http_server;
pub mod lab;
pub mod load;
pub mod metrics;
pub mod netns;
pub mod process;
pub mod scratch;
pub mod status;
pub mod wait;
pub mod xdp;
