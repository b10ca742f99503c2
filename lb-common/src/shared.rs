//! `shared!`: declares, once, a layout that crosses the line between kernel and userspace.

/// Declares a `#[repr(C)]` struct that both sides read and write.
///
/// The size is pinned at compile time; `IntoBytes` proves that there is no padding and `FromBytes`
/// that any bits are a value, which together are what `aya::Pod` asks for.
#[macro_export]
macro_rules! shared {
    ($(#[$doc:meta])* pub struct $name:ident: $size:literal bytes { $($(#[$field_doc:meta])* pub $field:ident: $type:ty,)+ }) => {
        $(#[$doc])*
        #[derive(
            Clone, Copy, Debug, PartialEq, Eq,
            zerocopy::FromBytes, zerocopy::IntoBytes, zerocopy::Immutable, zerocopy::KnownLayout,
        )]
        #[repr(C)]
        pub struct $name {
            $($(#[$field_doc])* pub $field: $type,)+
        }

        const _: () = assert!(size_of::<$name>() == $size, "the layout's size is pinned");

        // SAFETY: `IntoBytes` and `FromBytes`, derived above, prove that there is no padding and that
        // every bit pattern is a value; `#[repr(C)]` fixes the order of the fields.
        #[cfg(feature = "user")]
        #[expect(unsafe_code, reason = "aya::Pod is an unsafe trait; its conditions are derived above")]
        unsafe impl aya::Pod for $name {}
    };
}
