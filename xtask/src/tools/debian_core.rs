//! Debian's packages of a compiler with a ready-made `core` for the BPF target, for where rust-src can't be had.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

use super::apt::{self, Apt};
use super::toolchain::sysroot;
use crate::{child, workspace};

/// The name under which rustup knows Debian's compiler; `lb-userspace/build.rs` is told it.
pub(super) const TOOLCHAIN: &str = "pointsman-bpf";

const BPF_CORE: &str = "lib/rustlib/bpfel-unknown-none/lib";

/// The toolchain is linked and whole: a compiler that runs, `core` for BPF, and a cargo. Which clone of this
/// repository it was unpacked in makes no difference.
pub(super) fn is_ready() -> bool {
    sysroot(TOOLCHAIN).is_ok_and(|root| root.join(BPF_CORE).exists() && root.join("bin/cargo").exists())
}

/// Unpacks Debian's compiler beside the user's own and links it as a toolchain of rustup's.
pub(super) fn add(channel: &str, apt: &mut Apt) -> Result<()> {
    let unpacked = workspace::tools().join("rust-bpf");
    if !unpacked.join("usr").join(BPF_CORE).exists() {
        unpack(apt, &unpacked)?;
    }
    let toolchain = unpacked.join("usr");
    complete(&toolchain, &sysroot(channel)?)?;
    child::run(Command::new("rustup").args(["toolchain", "link", TOOLCHAIN]).arg(&toolchain))?;
    if !is_ready() {
        // The compiler's one dependency that a machine may lack. It comes with llvm-22-dev, but a bpf-linker that
        // was there already need not have come with that.
        let libraries = apt::dependencies(&compiler_library()?, "libllvm")?;
        let names: Vec<&str> = libraries.iter().map(String::as_str).collect();
        eprintln!("xtask: installing {} (Debian's rustc runs on it)", names.join(" "));
        apt.install_named(&names)?;
    }
    ensure!(is_ready(), "Debian's rustc was unpacked in `{}` but does not run", toolchain.display());
    Ok(())
}

/// The package that holds the compiler proper; its name has the version in it.
fn compiler_library() -> Result<String> {
    let found = apt::dependencies("libstd-rust-web-dev", "libstd-rust-web-")?;
    found.into_iter().next().context("`libstd-rust-web-dev` has no compiler")
}

fn unpack(apt: &mut Apt, into: &Path) -> Result<()> {
    // Beside, and renamed when whole, so that an interrupted download does not pass for a toolchain.
    let partial = into.with_extension("partial");
    let debs = partial.join("debs");
    if partial.exists() {
        fs::remove_dir_all(&partial).with_context(|| format!("remove `{}`", partial.display()))?;
    }
    fs::create_dir_all(&debs).with_context(|| format!("make `{}`", debs.display()))?;
    let named = ["rustc-web", "libstd-rust-web-dev", "libstd-rust-web-dev-bpf"];
    apt.know(&named)?;
    let library = compiler_library()?;
    apt::download(named.into_iter().chain([library.as_str()]), &debs)?;
    for deb in fs::read_dir(&debs).with_context(|| format!("list `{}`", debs.display()))? {
        let deb = deb.with_context(|| format!("list `{}`", debs.display()))?.path();
        child::run(Command::new("dpkg").arg("-x").arg(deb).arg(&partial))?;
    }
    fs::remove_dir_all(&debs).with_context(|| format!("remove `{}`", debs.display()))?;
    fs::rename(&partial, into)
        .with_context(|| format!("rename `{}` to `{}`", partial.display(), into.display()))
}

/// Adds what rustup expects of a toolchain and Debian keeps elsewhere.
fn complete(toolchain: &Path, pinned: &Path) -> Result<()> {
    // `rustup run` shows the loader `lib/`; Debian has the compiler in `lib/<multiarch>/`.
    let lib = toolchain.join("lib");
    for library in compiler_files(&lib)? {
        let Some(name) = library.file_name() else { continue };
        link(&library, &lib.join(name))?;
    }
    // Without a cargo of its own, rustup would lend it that of a nightly, beta or stable toolchain, if there is one.
    link(&pinned.join("bin/cargo"), &toolchain.join("bin/cargo"))
}

fn compiler_files(lib: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for folder in fs::read_dir(lib).with_context(|| format!("list `{}`", lib.display()))? {
        let folder = folder.with_context(|| format!("list `{}`", lib.display()))?.path();
        if !folder.is_dir() {
            continue;
        }
        for file in fs::read_dir(&folder).with_context(|| format!("list `{}`", folder.display()))? {
            let file = file.with_context(|| format!("list `{}`", folder.display()))?.path();
            let name = file.file_name().unwrap_or_default().to_string_lossy();
            if name.starts_with("librustc_driver-") {
                found.push(file);
            }
        }
    }
    Ok(found)
}

/// Makes the link say this, whatever it said before: a moved toolchain leaves it dangling.
fn link(to: &Path, at: &Path) -> Result<()> {
    if at.is_symlink() {
        fs::remove_file(at).with_context(|| format!("remove `{}`", at.display()))?;
    }
    symlink(to, at).with_context(|| format!("link `{}` to `{}`", at.display(), to.display()))
}
