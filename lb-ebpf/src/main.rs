//! The XDP programs. A packet's way, top to bottom.
#![cfg_attr(target_arch = "bpf", no_std, no_main)]

#[cfg(target_arch = "bpf")]
mod program {
    use aya_ebpf::{bindings::xdp_action, macros::xdp, programs::XdpContext};

    #[xdp]
    pub fn edge(_frame: XdpContext) -> u32 {
        xdp_action::XDP_PASS
    }

    /// Unreachable by construction: a panic path that survives optimisation makes the object fail to load.
    #[panic_handler]
    fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
        loop {}
    }

    #[unsafe(link_section = "license")]
    #[unsafe(no_mangle)]
    static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";
}

/// On the host this crate is only read by clippy and rust-analyzer.
#[cfg(not(target_arch = "bpf"))]
fn main() {}
