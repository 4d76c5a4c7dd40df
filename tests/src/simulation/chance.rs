//! Chance out of a seed: who is first when two things happen at once, and how long a sync takes.

/// A stream of numbers (SplitMix64).
#[derive(Clone, Debug)]
pub struct Chance(u64);

impl Chance {
    /// The stream of a seed.
    pub fn new(seed: u64) -> Chance {
        Chance(seed ^ 0x9e37_79b9_7f4a_7c15)
    }

    /// The next number.
    pub fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `end`.
    pub fn below(&mut self, end: u64) -> u64 {
        self.draw() % end.max(1)
    }

    /// Whether something happens that happens in so many of a hundred cases.
    pub fn happens(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    /// One of a list.
    pub fn pick<'a, T>(&mut self, list: &'a [T]) -> &'a T {
        let place = self.below(list.len() as u64);
        &list[place as usize]
    }
}

/// Mixes bytes into a hash that is the same on every machine (as FNV-1a, by eight bytes at a time).
pub fn mix(hash: &mut u64, bytes: &[u8]) {
    let (eights, rest) = bytes.as_chunks::<8>();
    let last = rest.iter().rev().fold(rest.len() as u64, |last, byte| last << 8 | u64::from(*byte));
    for eight in eights.iter().map(|eight| u64::from_le_bytes(*eight)).chain([last]) {
        *hash = (*hash ^ eight).wrapping_mul(0x0100_0000_01b3);
        // The product only carries upwards.
        *hash ^= *hash >> 29;
    }
}
