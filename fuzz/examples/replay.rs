//! Runs the bodies of all targets over their seeds and what fuzzing has found, for measuring which
//! lines they reach: `fuzz/lines` builds and runs it.

use std::fs;
use std::path::Path;

fn main() {
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR"));
    for (target, body) in parlance_fuzz::TARGETS {
        let mut inputs = 0;
        for kind in ["seeds", "corpus"] {
            let Ok(folder) = fs::read_dir(fuzz.join(kind).join(target)) else {
                continue;
            };
            for input in folder {
                body(&fs::read(input.expect("a file").path()).expect("a file"));
                inputs += 1;
            }
        }
        println!("{target}: {inputs} inputs");
    }
}
