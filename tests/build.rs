//! Takes the bench's object, which `lb-userspace`'s build script built beside the daemon's.

use std::{
    env,
    error::Error,
    fs,
    path::{Path, PathBuf},
};

const OBJECT: &str = "pointsman-bench";

fn main() -> Result<(), Box<dyn Error>> {
    let built = env::var_os("DEP_POINTSMAN_BPF_OBJECTS").ok_or("`lb-userspace` tells where they lie")?;
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or("cargo sets OUT_DIR")?);
    let object = Path::new(&built).join(OBJECT);
    println!("cargo::rerun-if-changed={}", object.display());
    let _: u64 = fs::copy(object, out.join(OBJECT))?;
    Ok(())
}
