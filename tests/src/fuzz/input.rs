//! Inputs: written down, cut up, spoiled.

/// An input as it stands in a file of seeds: hexadecimal, or a text in quotes with the escapes of JSON.
pub(super) fn parse(line: &str) -> Option<Vec<u8>> {
    if line.starts_with('"') {
        return serde_json::from_str::<String>(line)
            .ok()
            .map(String::into_bytes);
    }
    let digits = line.chars().filter(|digit| !digit.is_ascii_whitespace());
    let digits: Option<Vec<u8>> = digits
        .map(|digit| u8::try_from(digit.to_digit(16)?).ok())
        .collect();
    let pairs = digits?;
    let pairs = pairs.chunks(2);
    pairs
        .map(|pair| match pair {
            [high, low] => Some(high << 4 | low),
            _ => None,
        })
        .collect()
}

/// Ways in which the network may cut a stream: byte by byte, into equal parts, in two. Which ones depends on the bytes
/// alone, so that an input that fails, fails again.
#[must_use]
pub fn cuttings(bytes: &[u8]) -> Vec<Vec<&[u8]>> {
    let mut random = Random::of(bytes);
    let half = random.below(bytes.len() + 1);
    let width = 2 + random.below(97);
    let mut all = vec![
        vec![&bytes[..half], &bytes[half..]],
        bytes.chunks(width).collect(),
    ];
    // A reader of a byte at a time looks at the beginning of a message as often as it has bytes.
    if bytes.len() <= BYTE_BY_BYTE {
        all.push(bytes.chunks(1).collect());
    }
    all
}

/// Longest input that is also read byte by byte.
const BYTE_BY_BYTE: usize = 2048;

/// Inputs made of other inputs by a fixed rule: spoiled bytes, parts taken out, doubled, and put in from another one.
#[derive(Clone, Debug)]
pub struct Mutations<'a> {
    seeds: &'a [Vec<u8>],
    random: Random,
}

impl<'a> Mutations<'a> {
    /// An endless row of inputs; none if there are no seeds.
    #[must_use]
    pub fn new(seeds: &'a [Vec<u8>]) -> Self {
        let random = Random(0x6d63_6c61_6720_3131);
        Self { seeds, random }
    }

    fn change(&mut self, input: &mut Vec<u8>) -> Option<()> {
        let random = &mut self.random;
        let at = random.below(input.len());
        let len = random.below(input.len() - at).min(64);
        match random.below(8) {
            0 => *input.get_mut(at)? ^= 1 << random.below(8),
            1 => *input.get_mut(at)? = *EDGES.get(random.below(EDGES.len()))?,
            2 => *input.get_mut(at)? = random.byte(),
            3 => input.truncate(at),
            4 => drop(input.drain(at..at + len)),
            5 => {
                let part = input.get(at..at + len)?.to_vec();
                input.splice(at..at, part);
            }
            6 => {
                let other = self.seeds.get(random.below(self.seeds.len()))?;
                let from = random.below(other.len());
                let part = other[from..].iter().take(256).copied();
                input.splice(at..at, part);
            }
            _ => {
                // Two bytes at once are a length, a count or a VLAN.
                let pair = *PAIRS.get(random.below(PAIRS.len()))?;
                input.get_mut(at..at + 2)?.copy_from_slice(&pair);
            }
        }
        Some(())
    }
}

impl Iterator for Mutations<'_> {
    type Item = Vec<u8>;

    fn next(&mut self) -> Option<Vec<u8>> {
        if self.seeds.is_empty() {
            return None;
        }
        let mut input = self.seeds[self.random.below(self.seeds.len())].clone();
        for _ in 0..=self.random.below(4) {
            // What an empty input has not, cannot be changed.
            let _ = self.change(&mut input);
        }
        input.truncate(LONGEST);
        Some(input)
    }
}

/// Longest input that mutations make.
const LONGEST: usize = 8192;

/// Values at which decoders turn.
const EDGES: [u8; 14] = [
    0, 1, 2, 4, 19, 20, 21, 0x2c, 0x3a, 0x21, 0x7f, 0x80, 0xfe, 0xff,
];

/// The same of two bytes, in both byte orders.
const PAIRS: [[u8; 2]; 12] = [
    [0, 0],
    [0, 1],
    [1, 0],
    [0, 3],
    [0xff, 0xff],
    [0x0f, 0xff],
    [0xff, 0x0f],
    [0x10, 0x00],
    [0x00, 0x10],
    [0xff, 0xfc],
    [0xfc, 0xff],
    [0x7f, 0xff],
];

/// Marsaglia's xorshift: numbers that look random and are the same every time.
#[derive(Clone, Copy, Debug)]
struct Random(u64);

impl Random {
    /// Numbers that depend on nothing but these bytes.
    fn of(bytes: &[u8]) -> Self {
        let hash = bytes.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
        });
        Self(hash | 1)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// A number below `limit`; 0 if that is 0.
    fn below(&mut self, limit: usize) -> usize {
        let number = usize::try_from(self.next() >> 33).unwrap_or_default();
        number.checked_rem(limit).unwrap_or_default()
    }

    fn byte(&mut self) -> u8 {
        self.next().to_be_bytes()[2]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_is_hexadecimal_or_text() {
        assert_eq!(parse("01 fF\t20"), Some(vec![1, 0xff, 0x20]));
        assert_eq!(parse("\"a\\nb\""), Some(b"a\nb".to_vec()));
        for wrong in ["0", "0 1 2", "xx", "\"open", "+1"] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn cuttings_lose_nothing_and_are_the_same_every_time() {
        let bytes: Vec<u8> = (0..=255).collect();
        for cutting in cuttings(&bytes) {
            assert_eq!(cutting.concat(), bytes);
        }
        assert_eq!(cuttings(&bytes), cuttings(&bytes));
        assert!(
            cuttings(&[])
                .iter()
                .all(|cutting| cutting.concat().is_empty())
        );
    }

    #[test]
    fn mutations_are_the_same_every_time_and_mostly_differ() {
        let seeds = [b"abcdefgh".to_vec(), Vec::new()];
        let some = |count| Mutations::new(&seeds).take(count).collect::<Vec<_>>();
        assert_eq!(some(100), some(100));
        let mut inputs = some(1000);
        inputs.sort();
        inputs.dedup();
        assert!(inputs.len() > 300, "only {} differ", inputs.len());
        assert_eq!(Mutations::new(&[]).next(), None);
    }
}
