//! From TOML's tables to [`super::raw`]'s shapes, with every fault of shape on the way: unknown keys,
//! wrong types.
//!
//! serde would stop at the first of them, and a refusal shows all.

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::faults::{Checked, Faults, Placed, Span, listed, shown};

/// A key that a shape knows, and what the file has there.
pub(super) struct Field<T> {
    pub(super) key: &'static str,
    /// The value; its table's header if there is none.
    pub(super) at: Span,
    pub(super) found: Checked<Option<T>>,
}

impl<T> Field<T> {
    pub(super) fn required(self, allowed: &str, faults: &mut Faults) -> Checked<T> {
        match self.found? {
            Some(value) => Ok(value),
            None => faults.refuse(self.at, format!("`{}` is missing; allowed: {allowed}", self.key)),
        }
    }
}

/// What a key may hold.
pub(super) trait Value: Sized {
    const EXPECTED: &'static str;
    /// The same, for an array of them.
    const EXPECTED_LIST: &'static str;

    fn read(key: &'static str, value: Spanned<DeValue<'_>>, faults: &mut Faults) -> Checked<Self>;
}

/// A value with no keys of its own.
pub(super) trait Leaf: Sized {
    const EXPECTED: &'static str;
    const EXPECTED_LIST: &'static str;

    fn from_value(value: &DeValue<'_>) -> Option<Self>;
}

impl<L: Leaf> Value for L {
    const EXPECTED: &'static str = L::EXPECTED;
    const EXPECTED_LIST: &'static str = L::EXPECTED_LIST;

    fn read(key: &'static str, value: Spanned<DeValue<'_>>, faults: &mut Faults) -> Checked<Self> {
        L::from_value(value.get_ref()).map_or_else(|| wrong_type(key, &value, L::EXPECTED, faults), Ok)
    }
}

impl<V: Value> Value for Placed<V> {
    const EXPECTED: &'static str = V::EXPECTED;
    const EXPECTED_LIST: &'static str = V::EXPECTED_LIST;

    fn read(key: &'static str, value: Spanned<DeValue<'_>>, faults: &mut Faults) -> Checked<Self> {
        let at = value.span();
        V::read(key, value, faults).map(|value| Self { key, at, value })
    }
}

impl<V: Value> Value for Vec<V> {
    const EXPECTED: &'static str = V::EXPECTED_LIST;
    const EXPECTED_LIST: &'static str = V::EXPECTED_LIST;

    fn read(key: &'static str, value: Spanned<DeValue<'_>>, faults: &mut Faults) -> Checked<Self> {
        let at = value.span();
        match value.into_inner() {
            DeValue::Array(items) => items.into_iter().map(|item| V::read(key, item, faults)).collect_all(),
            other @ (DeValue::String(_)
            | DeValue::Integer(_)
            | DeValue::Float(_)
            | DeValue::Boolean(_)
            | DeValue::Datetime(_)
            | DeValue::Table(_)) => wrong_type(key, &Spanned::new(at, other), V::EXPECTED_LIST, faults),
        }
    }
}

/// Goes on after a refusal, so that later faults are reported too.
pub(super) trait CollectAll<T> {
    fn collect_all(self) -> Checked<Vec<T>>;
}

impl<T, I: Iterator<Item = Checked<T>>> CollectAll<T> for I {
    fn collect_all(self) -> Checked<Vec<T>> {
        let all: Vec<_> = self.collect();
        all.into_iter().collect()
    }
}

/// A table on its way into a shape: known keys are taken one by one.
pub(super) struct Keys<'i> {
    at: Span,
    table: DeTable<'i>,
}

impl<'i> Keys<'i> {
    /// Refuses the keys that are not `known`.
    pub(super) fn of(
        at: Span,
        table: DeTable<'i>,
        written: &str,
        known: &[&str],
        faults: &mut Faults,
    ) -> Self {
        let unknown = table.keys().filter(|key| !known.contains(&key.get_ref().as_ref()));
        for key in unknown {
            let name = key.get_ref();
            let help = match nearest(name, known.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("allowed: {}", listed(known.iter().copied())),
            };
            faults.report(key.span(), format!("`{}` is no key of {written}; {help}", shown(name)));
        }
        Self { at, table }
    }

    pub(super) fn take<V: Value>(&mut self, name: &str, key: &'static str, faults: &mut Faults) -> Field<V> {
        match self.table.remove(name) {
            Some(value) => {
                let at = value.span();
                Field { key, at, found: V::read(key, value, faults).map(Some) }
            }
            None => Field { key, at: self.at.clone(), found: Ok(None) },
        }
    }
}

/// The known name that a typing error would have turned into `name`.
pub(super) fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    known
        .map(|near| (strsim::osa_distance(name, near), near))
        .filter(|(distance, near)| *distance <= 1 + near.len() / 5)
        .min()
        .map(|(_, near)| near)
}

pub(super) fn wrong_type<T>(
    key: &str,
    value: &Spanned<DeValue<'_>>,
    expected: &str,
    faults: &mut Faults,
) -> Checked<T> {
    let found = match value.get_ref() {
        DeValue::String(_) => "a string",
        DeValue::Integer(integer) if i64::from_str_radix(integer.as_str(), integer.radix()).is_err() => {
            "an integer of more than 64 bits"
        }
        DeValue::Integer(_) => "an integer",
        DeValue::Float(_) => "a float",
        DeValue::Boolean(_) => "a boolean",
        DeValue::Datetime(_) => "a date or time",
        DeValue::Array(_) => "an array",
        DeValue::Table(_) => "a table",
    };
    faults.refuse(value.span(), format!("`{key}` holds {found}; allowed: {expected}"))
}
