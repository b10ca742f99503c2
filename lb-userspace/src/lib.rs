//! The daemon, as a library, so that the tests reach its parts.
