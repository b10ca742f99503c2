//! Builds the XDP objects, which the daemon carries in itself.
//!
//! `aya-build` would do it, but leaves no room for flags; decision 0002 tells what these ones bring.

use std::{
    env,
    error::Error,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// Set by `cargo xtask` when `rust-src` cannot be had: a toolchain with a ready `core` for BPF.
const OTHER_TOOLCHAIN: &str = "POINTSMAN_BPF_TOOLCHAIN";

/// The objects that the daemon carries, as `lb-ebpf`'s manifest names them.
const OBJECTS: [&str; 2] = ["pointsman-edge", "pointsman-node"];

/// Atomics and 32-bit arithmetic (v3, kernel 5.12); word-sized loads of packed headers, where LLVM
/// would load byte by byte.
const FLAGS: [&str; 4] = [
    "-Ctarget-cpu=v3",
    "-Ctarget-feature=+alu32,+allows-misaligned-mem-access",
    "-Cdebuginfo=2",
    "-Clink-arg=--btf",
];

fn main() -> Result<(), Box<dyn Error>> {
    let workspace =
        Path::new(env!("CARGO_MANIFEST_DIR")).parent().ok_or("the manifest stands at the root")?;
    println!("cargo::rerun-if-env-changed={OTHER_TOOLCHAIN}");
    for part in ["lb-common/src", "lb-ebpf", "Cargo.lock", "rust-toolchain.toml"] {
        println!("cargo::rerun-if-changed={}", workspace.join(part).display());
    }

    let target = target_directory(workspace);
    let built = target.join("bpf/bpfel-unknown-none/release");
    let mut cargo = command(workspace, &target)?;
    cargo.args(["build", "--release", "--bins", "--package", "lb-ebpf"]);
    cargo.args(["--target", "bpfel-unknown-none", "--target-dir"]).arg(target.join("bpf"));
    let status = cargo.status()?;
    if !status.success() {
        return Err(format!("`{cargo:?}`: {status}; `cargo xtask build` installs what it needs").into());
    }

    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or("cargo sets OUT_DIR")?);
    for object in OBJECTS {
        let _: u64 = fs::copy(built.join(object), out.join(object))?;
    }
    // To `tests/build.rs`, as `DEP_POINTSMAN_BPF_OBJECTS`: the bench has an object of its own.
    println!("cargo::metadata=objects={}", built.display());
    Ok(())
}

/// Outside `OUT_DIR`, so that every profile shares one build of `core` and of the objects.
fn target_directory(workspace: &Path) -> PathBuf {
    env::var_os("CARGO_TARGET_DIR").map_or_else(|| workspace.join("target"), |set| workspace.join(set))
}

/// Cargo of the toolchain that has, or builds, `core` for BPF.
fn command(workspace: &Path, target: &Path) -> Result<Command, Box<dyn Error>> {
    let mut cargo = match env::var(OTHER_TOOLCHAIN) {
        // Its `core` is ready; only the crates with unstable features may use them.
        Ok(other) => {
            let mut cargo = Command::new("rustup");
            cargo.args(["run", &other, "cargo"]);
            cargo.env(
                "RUSTC_BOOTSTRAP",
                "aya_ebpf,aya_ebpf_bindings,aya_ebpf_cty,pointsman_edge,pointsman_node,pointsman_bench",
            );
            cargo
        }
        // The pinned stable toolchain builds `core` from `rust-src`.
        Err(_) => {
            let mut cargo = Command::new(env::var_os("CARGO").ok_or("cargo sets CARGO")?);
            cargo.env("RUSTC_BOOTSTRAP", "1").arg("-Zbuild-std=core");
            cargo
        }
    };
    let tools = target.join("tools/bin");
    let path = env::split_paths(&env::var_os("PATH").unwrap_or_default()).chain([tools]).collect::<Vec<_>>();
    cargo.env("PATH", env::join_paths(path)?);
    // aya-ebpf's bindings for the registers of the machine that the program will run on.
    let architecture = format!("--cfg=bpf_target_arch=\"{}\"", env::var("CARGO_CFG_TARGET_ARCH")?);
    let flags = FLAGS.into_iter().chain([architecture.as_str()]).collect::<Vec<_>>();
    cargo.env("CARGO_ENCODED_RUSTFLAGS", flags.join("\x1f"));
    // The outer build's choices are for the host.
    for key in ["RUSTC", "RUSTC_WRAPPER", "RUSTC_WORKSPACE_WRAPPER", "RUSTFLAGS", "CARGO_BUILD_TARGET"] {
        cargo.env_remove(key);
    }
    cargo.current_dir(workspace);
    Ok(cargo)
}
