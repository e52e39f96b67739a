//! What one lookup in memory costs: alone, and in batches as a server meets them. `lookup_cost
//! FILE.graven KEYS.data [ROUNDS [memory|file|mapped|disk]]`: from the table in memory, from its
//! file before it is loaded, from a mapping, or from disk.

use std::hint::black_box;
use std::time::Instant;

use graven_format::{Batch, Storage, Store};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(file), Some(text)) = (arguments.next(), arguments.next()) else {
        return Err("usage: lookup_cost FILE.graven KEYS.data [ROUNDS [STORAGE]]".into());
    };
    let rounds: usize = arguments.next().map_or(Ok(3), |rounds| rounds.parse())?;
    let storage = arguments.next().unwrap_or_else(|| "memory".into());
    let store = match storage.as_str() {
        "memory" | "file" => Store::open(file.as_ref())?,
        "mapped" => Store::open_as(file.as_ref(), Storage::Mapped)?,
        "disk" => Store::open_as(file.as_ref(), Storage::Disk)?,
        other => return Err(format!("{other} is no storage: memory, file, mapped or disk").into()),
    };
    if storage == "memory" {
        store.load()?;
    }
    let text = std::fs::read(text)?;
    let mut keys: Vec<&[u8]> = text
        .split(|&byte| byte == b'\n')
        .filter_map(|line| line.split(|&byte| byte == b' ').next())
        .collect();
    keys.retain(|key| !key.is_empty());
    shuffle(&mut keys);
    // One behind the other in the order in which they are asked for, or the keys' own misses would
    // be measured.
    let asked = keys.concat();
    let mut rest = &asked[..];
    for key in &mut keys {
        (*key, rest) = rest.split_at(key.len());
    }
    for size in [1, 2, 4, 8, 16, 32, 64] {
        let best = (0..rounds).map(|_| round(&store, &keys, size)).min_by(f64::total_cmp).unwrap_or_default();
        println!("{size:>3} together: {best:.1} ns a key");
    }
    Ok(())
}

fn round(store: &Store, keys: &[&[u8]], size: usize) -> f64 {
    let (mut batch, mut value, mut bytes) = (Batch::default(), Vec::new(), 0);
    let start = Instant::now();
    for keys in keys.chunks(size) {
        if let [key] = keys {
            value.clear();
            assert!(store.get(key, &mut value).is_ok_and(|found| found));
            bytes += value.len();
            continue;
        }
        store.get_many(keys, &mut batch).expect("the table is whole");
        bytes += (0..keys.len()).map(|i| batch.value(i, store).map_or(0, <[u8]>::len)).sum::<usize>();
    }
    black_box(bytes);
    start.elapsed().as_nanos() as f64 / keys.len() as f64
}

/// Fisher and Yates, with xorshift: the keys of a file may lie in the order of its table.
fn shuffle(keys: &mut [&[u8]]) {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    for i in (1..keys.len()).rev() {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        keys.swap(i, (state % (i as u64 + 1)) as usize);
    }
}
