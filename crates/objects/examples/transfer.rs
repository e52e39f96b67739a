//! Downloads an object into a file, or uploads a file, and prints how long that took:
//!
//! ```text
//! transfer get s3://BUCKET/KEY FILE
//! transfer put FILE s3://BUCKET/KEY
//! ```

use std::error::Error;
use std::fs::File;
use std::path::Path;
use std::time::Instant;

use graven_objects::{Download, Objects, remove_notes};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let began = Instant::now();
    let bytes = match arguments[..] {
        ["get", url, file] => {
            let objects = Objects::open(url)?;
            let info = objects.info_of("")?.ok_or("there is no such object")?;
            let download = Download { rate: None, progress: &mut |_, _| true };
            objects.download(&info, Path::new(file), download)?;
            remove_notes(Path::new(file));
            info.bytes
        }
        ["put", file, url] => Objects::open(url)?.upload("", &File::open(file)?, &mut |_, _| true)?.bytes,
        _ => return Err("expected get URL FILE, or put FILE URL".into()),
    };
    println!("{bytes} bytes in {:.3} s", began.elapsed().as_secs_f64());
    Ok(())
}
