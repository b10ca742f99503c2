//! The configuration: `raw` is what the file says, `checked` is what cannot be wrong.

pub mod checked;
