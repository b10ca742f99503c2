//! Groups that steer by the destination port: their rings have a slot for each port of their listeners.

use super::{groups::OneGroup, listeners::OneListener};
use crate::config::{
    checked::{Ports, SteeringKey},
    faults::{Faults, Placed, Span},
};

/// What placing ports costs grows with ports times targets.
const MOST_PORTS: u32 = 1024;

/// Gives each such group its slots; refuses listeners without a range, and ranges of different lengths.
pub(super) fn fit_rings(listeners: &[OneListener], groups: &mut [OneGroup], faults: &mut Faults) {
    for group in groups {
        let Ok(Placed { value: SteeringKey::DestinationPort, .. }) = group.steering_key else { continue };
        let Ok(name) = &group.name else { continue };
        let mut first: Option<(u32, &Span)> = None;
        for ports in listeners.iter().filter_map(|listener| {
            let of_group = listener.target_group.as_ref().is_ok_and(|it| it.value == name.value);
            listener.ports.as_ref().ok().filter(|_| of_group)
        }) {
            let count = ports.value.count();
            let what = format!("target group `{}` steers by `destination-port`", name.value);
            if ports.value == Ports::Every || count > MOST_PORTS {
                let message = format!("{what}, and a listener has {count} ports; allowed: 1 to {MOST_PORTS}");
                faults.report(ports.at.clone(), message);
                continue;
            }
            match first {
                None => first = Some((count, &ports.at)),
                Some((others, _)) if others == count => {}
                Some((others, at)) => {
                    let message = format!(
                        "{what}, and its listeners have {others} ports and {count}; \
                            allowed: as many ports for each, as each place in a range has one target"
                    );
                    faults.report_beside(ports.at.clone(), (at, "the first one"), message);
                }
            }
        }
        if let (Some((count, _)), Ok(slots)) = (first, &mut group.ring_slots) {
            slots.value = count;
        }
    }
}
