//! What the file says: every table and key, by its name in the file; no key besides. What the values
//! mean is for [`super::check`] to say.

use std::fmt;

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::{
    faults::{Checked, Faults, Placed, Span, shown},
    read::{Field, Keys, Leaf, Value, wrong_type},
};

/// A shape's fields are its table's keys: `take` is called for each, and `Keys::of` refuses the others.
macro_rules! shape {
    ($type:ident, $written:literal, keys $prefix:literal { $($field:ident: $value:ty,)+ }) => {
        pub(super) struct $type {
            $(pub(super) $field: Field<$value>,)+
        }

        impl $type {
            fn fill(at: Span, table: DeTable<'_>, faults: &mut Faults) -> Self {
                let mut keys = Keys::of(at, table, $written, &[$(stringify!($field)),+], faults);
                Self {
                    $($field: keys.take(stringify!($field), concat!($prefix, stringify!($field)), faults),)+
                }
            }
        }

        impl Value for $type {
            const EXPECTED: &'static str = concat!("a table, written ", $written);
            const EXPECTED_LIST: &'static str = concat!("tables, each written ", $written);

            fn read(key: &'static str, value: Spanned<DeValue<'_>>, faults: &mut Faults) -> Checked<Self> {
                let at = value.span();
                match value.into_inner() {
                    DeValue::Table(table) => Ok(Self::fill(at, table, faults)),
                    other @ (DeValue::String(_)
                    | DeValue::Integer(_)
                    | DeValue::Float(_)
                    | DeValue::Boolean(_)
                    | DeValue::Datetime(_)
                    | DeValue::Array(_)) => wrong_type(key, &Spanned::new(at, other), Self::EXPECTED, faults),
                }
            }
        }
    };
}

type Text = Placed<String>;
type Number = Placed<i64>;

shape! {
    RawConfig, "the file", keys "" {
        node: Placed<RawNode>,
        nat: Placed<RawNat>,
        encapsulation: RawEncapsulation,
        tracking: RawTracking,
        limits: RawLimits,
        api: RawApi,
        metrics: RawMetrics,
        listener: Vec<Placed<RawListener>>,
        target_group: Vec<Placed<RawTargetGroup>>,
    }
}

shape! {
    RawNode, "`[node]`", keys "node." {
        interfaces: Vec<Text>,
        seed: Text,
        seed_file: Text,
        xdp_mode: Text,
    }
}

shape! {
    RawNat, "`[nat]`", keys "nat." {
        ipv4_source: Text,
        ipv6_source: Text,
        ports: Text,
        tcp_idle_timeout: Placed<RawDuration>,
        udp_idle_timeout: Placed<RawDuration>,
        flows: Number,
    }
}

shape! {
    RawEncapsulation, "`[encapsulation]`", keys "encapsulation." {
        ipv4_source: Text,
        ipv6_source: Text,
        gue_port: Number,
    }
}

shape! {
    RawTracking, "`[tracking]`", keys "tracking." {
        flows: Number,
        new_flows_per_second: Number,
        learning_window: Placed<RawDuration>,
        udp_learning_window: Placed<RawDuration>,
        tcp_idle_timeout: Placed<RawDuration>,
        udp_idle_timeout: Placed<RawDuration>,
    }
}

shape! {
    RawLimits, "`[limits]`", keys "limits." {
        listeners: Number,
        range_lists: Number,
        targets: Number,
        slots: Number,
    }
}

shape! {
    RawApi, "`[api]`", keys "api." {
        socket: Text,
    }
}

shape! {
    RawMetrics, "`[metrics]`", keys "metrics." {
        listen: Text,
    }
}

shape! {
    RawListener, "`[[listener]]`", keys "listener." {
        name: Text,
        address: Text,
        port: Placed<RawPorts>,
        protocol: Text,
        target_group: Text,
    }
}

shape! {
    RawTargetGroup, "`[[target_group]]`", keys "target_group." {
        name: Text,
        forwarding: Text,
        steering_key: Text,
        ring_slots: Number,
        health_check: RawHealthCheck,
        target: Vec<Placed<RawTarget>>,
    }
}

shape! {
    RawHealthCheck, "`[target_group.health_check]`", keys "target_group.health_check." {
        protocol: Text,
        port: Placed<RawPort>,
        path: Text,
        expected_codes: Text,
        interval: Placed<RawDuration>,
        timeout: Placed<RawDuration>,
        healthy_threshold: Number,
        unhealthy_threshold: Number,
    }
}

shape! {
    RawTarget, "`[[target_group.target]]`", keys "target_group.target." {
        address: Text,
        port: Number,
        weight: Number,
        name: Text,
    }
}

impl RawConfig {
    /// The file as a whole has no header, hence no place.
    pub(super) fn read(file: DeTable<'_>, faults: &mut Faults) -> Self {
        Self::fill(0..0, file, faults)
    }
}

/// A duration as the file writes it.
#[derive(Clone, Debug)]
pub(super) struct RawDuration(pub(super) String);

/// A port, or a word in its place.
#[derive(Clone, Debug)]
pub(super) enum RawPort {
    Number(i64),
    Word(String),
}

/// A port, or a range of ports in its place.
#[derive(Clone, Debug)]
pub(super) enum RawPorts {
    Number(i64),
    Range(String),
}

impl Leaf for String {
    const EXPECTED: &'static str = "a string";
    const EXPECTED_LIST: &'static str = "an array of strings";

    fn from_value(value: &DeValue<'_>) -> Option<Self> {
        value.as_str().map(str::to_owned)
    }
}

impl Leaf for i64 {
    const EXPECTED: &'static str = "an integer";
    const EXPECTED_LIST: &'static str = "an array of integers";

    fn from_value(value: &DeValue<'_>) -> Option<Self> {
        let integer = value.as_integer()?;
        Self::from_str_radix(integer.as_str(), integer.radix()).ok()
    }
}

impl Leaf for RawDuration {
    const EXPECTED: &'static str = "a string with a unit, such as `10s`";
    const EXPECTED_LIST: &'static str = "an array of strings with a unit";

    fn from_value(value: &DeValue<'_>) -> Option<Self> {
        String::from_value(value).map(Self)
    }
}

impl Leaf for RawPort {
    const EXPECTED: &'static str = "1 to 65535, or `traffic-port`";
    const EXPECTED_LIST: &'static str = "an array of ports";

    fn from_value(value: &DeValue<'_>) -> Option<Self> {
        i64::from_value(value).map(Self::Number).or_else(|| String::from_value(value).map(Self::Word))
    }
}

impl Leaf for RawPorts {
    const EXPECTED: &'static str = "a port, or a range such as `29400-29499`";
    const EXPECTED_LIST: &'static str = "an array of ports";

    fn from_value(value: &DeValue<'_>) -> Option<Self> {
        i64::from_value(value).map(Self::Number).or_else(|| String::from_value(value).map(Self::Range))
    }
}

/// As the file has it.
impl fmt::Display for RawPorts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => number.fmt(f),
            Self::Range(text) => write!(f, "`{}`", shown(text)),
        }
    }
}
