//! The interfaces of this network namespace.

use nix::ifaddrs::getifaddrs;

use super::kernel::Interface;

#[derive(Debug, thiserror::Error)]
pub enum InterfaceError {
    #[error("list the interfaces")]
    List { source: nix::Error },
    #[error("interface `{name}` does not exist here; there are: {there}")]
    Unknown { name: String, there: String },
}

/// Finds interfaces by name.
///
/// # Errors
/// The first one that is not there, and those that are.
pub fn find(names: &[String]) -> Result<Vec<Interface>, InterfaceError> {
    let there = all()?;
    let one = |name: &String| {
        let unknown = || InterfaceError::Unknown { name: name.clone(), there: listed(&there) };
        there.iter().find(|interface| interface.name == *name).cloned().ok_or_else(unknown)
    };
    names.iter().map(one).collect()
}

/// Every interface has one address of the link layer, if only an empty one.
fn all() -> Result<Vec<Interface>, InterfaceError> {
    let addresses = getifaddrs().map_err(|source| InterfaceError::List { source })?;
    let interface = |entry: nix::ifaddrs::InterfaceAddress| {
        let link = *entry.address.as_ref()?.as_link_addr()?;
        let index = u32::try_from(link.ifindex()).ok()?;
        Some(Interface { name: entry.interface_name, index, mac: link.addr().unwrap_or_default() })
    };
    Ok(addresses.filter_map(interface).collect())
}

fn listed(interfaces: &[Interface]) -> String {
    interfaces.iter().map(|interface| format!("`{}`", interface.name)).collect::<Vec<_>>().join(", ")
}
