//! Mutated blobs that no converter would write.
//!
//! A converter picks constants that avoid overflow, and registers that match the dataflow. For any other blob that the
//! reader accepts, the engine must still follow the format specification.

use crate::integer_model::bytes::{blob_checksum, offset_at, u16_at, u32_at};
use crate::integer_model::header::Header;
use crate::random::Random;
use pixelrnn::blob::RECORD_BYTES;
use pixelrnn::{BlobError, Model};
use pixelrnn_converter::Blob;

mod graph;

pub use graph::{placed, roomy, structure};

/// Fields of a record of `kind` except its weights and tables: name, offset and bytes.
#[allow(clippy::too_many_lines)] // a list
pub fn fields(kind: u8) -> Vec<(&'static str, usize, usize)> {
    let listed: &[_] = match kind {
        1 => &[
            ("destination", 1, 1),
            ("mask", 2, 1),
            ("left_shift", 3, 1),
            ("kernel", 4, 1),
            ("kernel", 5, 1),
            ("dilation", 6, 1),
            ("input_zero_point", 7, 1),
            ("input", 8, 4),
            ("output", 12, 4),
            ("inputs", 16, 2),
            ("outputs", 18, 2),
            ("output_zero_point", 20, 1),
            ("output_clamp_min", 21, 1),
            ("logit_shift", 22, 1),
            ("weights", 24, 4),
            ("bias", 28, 4),
            ("multipliers", 32, 4),
            ("class_bias", 36, 4),
        ],
        2 => &[
            ("zero_point", 1, 1),
            ("clamp_min", 2, 1),
            ("input", 4, 4),
            ("output", 8, 4),
            ("count", 12, 2),
            ("rescale", 16, 4),
        ],
        3 => &[("input", 4, 4), ("output", 8, 4), ("count", 12, 2)],
        4 => &[("input", 4, 4), ("output", 8, 4), ("count", 12, 2), ("exponent", 16, 4), ("back", 20, 4)],
        5 => &[
            ("negate", 1, 1),
            ("a", 4, 4),
            ("b", 8, 4),
            ("output", 12, 4),
            ("count", 16, 2),
            ("rescale_a", 20, 4),
            ("rescale_b", 24, 4),
        ],
        6 => &[
            ("a", 4, 4),
            ("b", 8, 4),
            ("t", 12, 4),
            ("output", 16, 4),
            ("count", 20, 2),
            ("rescale_a", 24, 4),
            ("rescale_b", 28, 4),
            ("rescale_t", 32, 4),
        ],
        7..=9 => &[
            ("left_shift_x", 2, 1),
            ("left_shift_h", 3, 1),
            ("kernel", 4, 1),
            ("input_zero_point", 5, 1),
            ("input", 8, 4),
            ("output", 12, 4),
            ("inputs", 16, 2),
            ("hidden", 18, 2),
            ("to_hidden", 20, 4),
            ("to_output", 24, 4),
            ("weights_x", 28, 4),
            ("bias", 32, 4),
            ("multipliers_x", 36, 4),
            ("weights_h", 40, 4),
            ("multipliers_h", 44, 4),
            ("class_bias", 48, 4),
            ("initial", 52, 4),
            ("cell_bits", 56, 4),
            ("initial_to_hidden", 60, 4),
        ],
        10 | 11 => &[
            ("fraction", 1, 1),
            ("input", 4, 4),
            ("output", 8, 4),
            ("count", 12, 2),
            ("rescale", 16, 4),
            ("back", 20, 4),
        ],
        12 => &[
            ("negate", 1, 1),
            ("input", 4, 4),
            ("output", 8, 4),
            ("count", 12, 2),
            ("positive", 16, 4),
            ("negative", 20, 4),
        ],
        13 => &[("ungrouped", 1, 1), ("map_bytes", 4, 4), ("map_bytes", 8, 4)],
        14 => &[
            ("phase", 1, 1),
            ("ops", 2, 2),
            ("columns_ahead", 4, 2),
            ("rows_ahead", 6, 2),
            ("state", 8, 4),
            ("state", 12, 4),
        ],
        15 => &[
            ("dtype", 1, 1),
            ("zero_point", 2, 1),
            ("input", 4, 4),
            ("count", 8, 2),
            ("pixels", 12, 4),
            ("pixels", 16, 4),
            ("at", 20, 4),
            ("at", 24, 4),
        ],
        16 => {
            &[("map", 2, 2), ("output", 4, 4), ("rows", 8, 2), ("columns", 10, 2), ("dtype", 12, 1), ("count", 14, 2)]
        }
        17 => &[
            ("destination", 1, 1),
            ("centre", 2, 1),
            ("left_shift", 3, 1),
            ("above", 4, 1),
            ("above", 5, 1),
            ("dilation", 6, 1),
            ("input_zero_point", 7, 1),
            ("input", 8, 4),
            ("output", 12, 4),
            ("inputs", 16, 2),
            ("outputs", 18, 2),
            ("output_zero_point", 20, 1),
            ("output_clamp_min", 21, 1),
            ("logit_shift", 22, 1),
            ("own", 23, 1),
            ("weights", 24, 4),
            ("bias", 28, 4),
            ("multipliers", 32, 4),
            ("class_bias", 36, 4),
            ("anchor", 40, 1),
            ("anchor", 41, 1),
            ("map", 42, 2),
            ("below", 44, 1),
        ],
        18 => &[("index", 1, 1), ("count", 2, 2), ("output", 4, 4), ("table", 8, 4)],
        19 => &[
            ("count", 2, 2),
            ("input", 4, 4),
            ("input", 8, 4),
            ("counts", 12, 2),
            ("counts", 14, 2),
            ("output", 16, 4),
            ("rescale", 20, 4),
            ("rescale", 24, 4),
        ],
        20 => &[("a", 4, 4), ("b", 8, 4), ("output", 12, 4), ("count", 16, 2), ("multiplier", 20, 4)],
        21 | 22 => &[
            ("fraction", 1, 1),
            ("fraction_b", 2, 1),
            ("input", 4, 4),
            ("output", 8, 4),
            ("count", 12, 2),
            ("rescale_a", 16, 4),
            ("rescale_b", 20, 4),
            ("multiplier", 24, 4),
        ],
        23 => &[("logit_shift", 1, 1), ("count", 2, 2), ("input", 4, 4), ("rescale", 8, 4)],
        _ => &[],
    };
    let mut fields = [&[("kind", 0, 1)], listed].concat();
    if kind == 19 {
        fields.extend((28..52).step_by(2).map(|at| ("spans", at, 2)));
    }
    fields
}

/// Writes `value` into the field of `bytes` bytes at `at`, and updates the checksum.
///
/// # Panics
/// Panics if the field is outside.
pub fn field(blob: &mut [u8], at: usize, bytes: usize, value: u32) {
    blob[at..at + bytes].copy_from_slice(&value.to_le_bytes()[..bytes]);
    seal(blob);
}

/// Replaces constants of `blob` at random by random and extreme values, and updates the checksum. The network structure
/// is unchanged.
///
/// # Panics
/// Panics if `blob` is invalid.
pub fn constants(blob: &mut [u8], random: &mut Random) {
    let header = Header::parse(blob).expect("a blob");
    let mut mutator = Mutator { blob, random };
    for value in 0..header.levels {
        mutator.byte(header.input_table + value, i8::MIN, i8::MAX);
    }
    for op in 0..header.op_count {
        mutator.op(header.ops + 64 * op, &header);
    }
    seal(blob);
}

/// Moves an input or output of one op to other registers and updates the checksum. Returns the op's index and kind.
///
/// # Panics
/// Panics if `blob` is invalid.
pub fn register(blob: &mut [u8], random: &mut Random) -> (usize, u8) {
    let header = Header::parse(blob).expect("a blob");
    let op = random.below(header.op_count);
    let at = header.ops + 64 * op;
    let fields: &[usize] = match blob[at] {
        2..=4 | 10..=12 | 21 | 22 => &[4, 8],
        5 | 20 => &[4, 8, 12],
        6 => &[4, 8, 12, 16],
        15 | 16 | 18 | 23 => &[4],
        19 => &[4, 8, 16],
        13 | 14 => return (op, blob[at]),
        _ => &[8, 12],
    };
    let field = at + random.choose(fields);
    let register = random.below(header.register_bytes) as u32 & !1;
    blob[field..field + 4].copy_from_slice(&register.to_le_bytes());
    let kind = blob[at];
    seal(blob);
    (op, kind)
}

/// Changes an offset in the header or in one op, usually to another section of the blob, and updates the checksum.
///
/// # Panics
/// Panics if `blob` is invalid.
pub fn offset(blob: &mut [u8], random: &mut Random) {
    let header = Header::parse(blob).expect("a blob");
    let at = header.ops + 64 * random.below(header.op_count);
    let fields: &[usize] = match blob[at] {
        1 | 17 => &[24, 28, 32, 36],
        18 => &[8],
        7..=9 => &[28, 32, 36, 40, 44, 48, 52, 56],
        _ => &[],
    };
    let own: Vec<usize> = fields.iter().map(|field| at + field).filter(|field| offset_at(blob, *field) != 0).collect();
    let field = if own.is_empty() || random.once_in(8) { random.choose(&[40, 48]) } else { random.choose(&own) };
    let by = random.choose(&[-4, -3, -2, -1, 1, 2, 3, 4, 8, -64]);
    let anywhere = random.below(blob.len());
    let near = (offset_at(blob, field) as i64 + by).clamp(0, blob.len() as i64 - 1) as usize;
    let to = if random.once_in(2) { near } else { anywhere };
    blob[field..field + 4].copy_from_slice(&(to as u32).to_le_bytes());
    seal(blob);
}

/// Repeats op `op` of `blob` `times` more times with shared weights.
///
/// # Errors
/// Fails if the result is not a valid blob.
///
/// # Panics
/// Panics if `blob` is invalid.
pub fn repeated(blob: &[u8], op: usize, times: usize) -> Result<Vec<u8>, BlobError> {
    let header = Header::parse(blob).expect("a blob");
    let mut ops: Vec<&[u8]> = blob[header.ops..].chunks_exact(RECORD_BYTES).take(header.op_count).collect();
    ops.splice(op..op, std::iter::repeat_n(ops[op], times));
    let mut bytes = blob.to_vec();
    bytes.resize(blob.len().next_multiple_of(4), 0);
    let at = bytes.len() as u32;
    bytes.extend(ops.concat());
    let length = bytes.len() as u32;
    bytes[8..12].copy_from_slice(&length.to_le_bytes());
    bytes[38..40].copy_from_slice(&(ops.len() as u16).to_le_bytes());
    bytes[44..48].copy_from_slice(&at.to_le_bytes());
    seal(&mut bytes);
    if let Err(BlobError::State { needed, .. }) = Model::new(Blob::new(&bytes).bytes()) {
        bytes[16..20].copy_from_slice(&(needed as u32).to_le_bytes());
        seal(&mut bytes);
    }
    Model::new(Blob::new(&bytes).bytes())?;
    Ok(bytes)
}

/// Adds a random bias to each op that has only class biases, and subtracts it from the class biases. Returns the new
/// blob and the number of changed ops.
///
/// # Panics
/// Panics if `blob` is invalid.
pub fn with_biases(blob: &[u8], random: &mut Random) -> (Vec<u8>, usize) {
    let header = Header::parse(blob).expect("a blob");
    let mut bytes = blob.to_vec();
    bytes.resize(blob.len().next_multiple_of(4), 0);
    let mut changed = 0;
    for at in (0..header.op_count).map(|op| header.ops + RECORD_BYTES * op) {
        let Some([bias, class_bias]) = bias_fields(blob, at) else { continue };
        let classes = offset_at(blob, class_bias);
        if offset_at(blob, bias) != 0 || classes == 0 {
            continue;
        }
        let features = usize::from(u16_at(blob, at + 18));
        let count = if (7..=9).contains(&blob[at]) { 4 * features } else { features };
        let (table, biases) = (bytes.len() as u32, (0..count).map(|_| random.bits() as u32).collect::<Vec<_>>());
        bytes[bias..bias + 4].copy_from_slice(&table.to_le_bytes());
        for n in 0..count * header.classes {
            let sum = classes + 4 * n;
            let less = u32_at(blob, sum).wrapping_sub(biases[n % count]);
            bytes[sum..sum + 4].copy_from_slice(&less.to_le_bytes());
        }
        bytes.extend(biases.iter().flat_map(|bias| bias.to_le_bytes()));
        changed += 1;
    }
    let length = bytes.len() as u32;
    bytes[8..12].copy_from_slice(&length.to_le_bytes());
    seal(&mut bytes);
    (bytes, changed)
}

/// Gives the logits of `blob` multipliers of one quarter and random biases of magnitude up to 2²⁶ plus `4 · by`. Sets
/// the logit shift to `shift`.
///
/// # Panics
/// Panics if `blob` is invalid.
pub fn logits(blob: &mut [u8], shift: u8, by: i32, random: &mut Random) {
    let header = Header::parse(blob).expect("a blob");
    let at = header.ops + RECORD_BYTES * (header.op_count - 1);
    let outputs = usize::from(u16_at(blob, at + 18));
    blob[at + 3] = 0;
    blob[at + 22] = shift;
    let [bias, multipliers, class_bias] = [28, 32, 36].map(|field| offset_at(blob, at + field));
    words(blob, multipliers, outputs, || 1 << 30);
    // An op with biases keeps its class biases.
    let (table, count) = if bias == 0 { (class_bias, outputs * header.classes) } else { (bias, outputs) };
    words(blob, table, count, || ((random.bits() as i32) >> random.between(5, 30)) + 4 * by);
    seal(blob);
}

/// Writes `count` words from `at` on.
fn words(blob: &mut [u8], at: usize, count: usize, mut word: impl FnMut() -> i32) {
    for word_bytes in blob[at..at + 4 * count].as_chunks_mut().0 {
        *word_bytes = word().to_le_bytes();
    }
}

/// Writes a word at `at` and updates the checksum.
///
/// # Panics
/// Panics if `blob` is invalid.
pub fn word(blob: &mut [u8], at: usize, word: u32) {
    blob[at..at + 4].copy_from_slice(&word.to_le_bytes());
    seal(blob);
}

/// Removes all class biases from `blob`.
///
/// # Panics
/// Panics if `blob` is invalid.
pub fn without_class_biases(blob: &[u8]) -> Vec<u8> {
    let header = Header::parse(blob).expect("a blob");
    let mut bytes = blob.to_vec();
    for at in (0..header.op_count).map(|op| header.ops + RECORD_BYTES * op) {
        if let Some([_, class_bias]) = bias_fields(blob, at) {
            bytes[class_bias..class_bias + 4].fill(0);
        }
    }
    seal(&mut bytes);
    bytes
}

/// Offsets of the fields that point to the biases and class biases. `None` for ops without biases.
fn bias_fields(blob: &[u8], at: usize) -> Option<[usize; 2]> {
    match blob[at] {
        1 | 17 => Some([at + 28, at + 36]),
        7..=9 => Some([at + 32, at + 48]),
        _ => None,
    }
}

/// Updates the checksum.
fn seal(blob: &mut [u8]) {
    let checksum = blob_checksum(blob);
    blob[12..16].copy_from_slice(&checksum.to_le_bytes());
}

struct Mutator<'a> {
    blob: &'a mut [u8],
    random: &'a mut Random,
}

impl Mutator<'_> {
    /// Keeps three in four constants. With all of them changed, every result saturates.
    fn keeps(&mut self) -> bool {
        !self.random.once_in(4)
    }

    fn byte(&mut self, at: usize, low: i8, high: i8) {
        if !self.keeps() {
            let any =
                (i64::from(low) + self.random.below((i64::from(high) - i64::from(low) + 1) as usize) as i64) as i8;
            self.blob[at] = self.random.choose(&[low, high, any]) as u8;
        }
    }

    fn word(&mut self, at: usize) {
        if !self.keeps() {
            let any = self.random.bits() as i32;
            let small = any >> self.random.below(31);
            let value = self.random.choose(&[i32::MIN, i32::MAX, any, small]);
            self.blob[at..at + 4].copy_from_slice(&value.to_le_bytes());
        }
    }

    /// Mutates `count` words at `at`, unless `at` is 0 (absent).
    fn words(&mut self, at: usize, count: usize) {
        if at != 0 {
            (0..count).for_each(|n| self.word(at + 4 * n));
        }
    }

    /// Random factor below 2¹⁵ and shift from 1 to 30.
    fn rescale(&mut self, at: usize) {
        if !self.keeps() {
            let any = self.random.below(1 << 15) as u16;
            let m = self.random.choose(&[0, 1, 32767, any, any]);
            let n = self.random.between(1, 30) as u16;
            self.blob[at..at + 2].copy_from_slice(&m.to_le_bytes());
            self.blob[at + 2..at + 4].copy_from_slice(&n.to_le_bytes());
        }
    }

    fn op(&mut self, at: usize, header: &Header) {
        match self.blob[at] {
            1 => self.masked_conv(at, header),
            17 => self.conv(at, header),
            2 => {
                self.byte(at + 1, i8::MIN, i8::MAX);
                self.byte(at + 2, i8::MIN, i8::MAX);
                self.rescale(at + 16);
            }
            4 => {
                self.rescale(at + 16);
                self.word(at + 20);
            }
            5 => {
                self.byte(at + 1, 0, 1);
                self.rescale(at + 20);
                self.rescale(at + 24);
            }
            6 => {
                for rescale in [24, 28, 32] {
                    self.rescale(at + rescale);
                }
            }
            7..=9 => self.lstm(at, header),
            10 | 11 => {
                self.byte(at + 1, 7, 14);
                self.rescale(at + 16);
                self.rescale(at + 20);
            }
            12 => {
                self.byte(at + 1, 0, 1);
                self.rescale(at + 16);
                self.rescale(at + 20);
            }
            15 => self.map(at, header),
            18 => {
                let rows = match self.blob[at + 1] {
                    0 => 1,
                    1 => header.classes,
                    _ => header.levels,
                };
                let table = offset_at(self.blob, at + 8);
                for byte in 0..2 * rows * usize::from(u16_at(self.blob, at + 2)) {
                    self.byte(table + byte, i8::MIN, i8::MAX);
                }
            }
            19 => {
                self.rescale(at + 20);
                self.rescale(at + 24);
            }
            20 => self.multiplier(at + 20),
            21 | 22 => {
                self.byte(at + 1, 7, 14);
                self.byte(at + 2, 7, 14);
                self.rescale(at + 16);
                self.rescale(at + 20);
                self.multiplier(at + 24);
            }
            23 => {
                self.byte(at + 1, 0, 16);
                self.rescale(at + 8);
            }
            _ => {}
        }
    }

    /// A multiplier that is not negative.
    fn multiplier(&mut self, at: usize) {
        self.word(at);
        self.blob[at + 3] &= 0x7f;
    }

    /// Zero point of a map, the same in the convolutions that read it.
    fn map(&mut self, at: usize, header: &Header) {
        let map = (at - header.ops) / RECORD_BYTES;
        self.byte(at + 2, i8::MIN, i8::MAX);
        for op in 0..header.op_count {
            let conv = header.ops + RECORD_BYTES * op;
            if self.blob[conv] == 17 && usize::from(u16_at(self.blob, conv + 42)) == map {
                self.blob[conv + 7] = self.blob[at + 2];
            }
        }
    }

    /// Constants of a convolution over a map.
    fn conv(&mut self, at: usize, header: &Header) {
        let record = self.blob[at..at + 64].to_vec();
        let [rows, columns, own, below] = [4, 5, 23, 44].map(|field: usize| usize::from(record[field]));
        let inputs = usize::from(u16_at(&record, 16));
        let taps = (rows + below) * columns + own;
        let open = |g: usize| match record[2] {
            0 => 0,
            1 => header.start(inputs, g),
            2 => header.start(inputs, g + 1),
            _ => inputs,
        };
        self.product(at, &record, header, |g| taps * inputs + open(g));
    }

    fn masked_conv(&mut self, at: usize, header: &Header) {
        let record = self.blob[at..at + 64].to_vec();
        let inputs = usize::from(u16_at(&record, 16));
        self.byte(at + 7, i8::MIN, i8::MAX);
        let [kh, kw] = [record[4], record[5]].map(usize::from);
        let past = ((kh / 2) * kw + kw / 2) * inputs;
        self.product(at, &record, header, |g| past + header.start(inputs, if record[2] == 1 { g + 1 } else { g }));
    }

    /// Constants of a convolution whose group `g` has `length(g)` inputs.
    fn product(&mut self, at: usize, record: &[u8], header: &Header, length: impl Fn(usize) -> usize) {
        let outputs = usize::from(u16_at(record, 18));
        self.byte(at + 3, 0, 31);
        self.byte(at + 20, i8::MIN, i8::MAX);
        self.byte(at + 21, i8::MIN, i8::MAX);
        self.byte(at + 22, 0, 16);
        let of_group = |g: usize| header.start(outputs, g + 1) - header.start(outputs, g);
        let weights: usize = (0..header.groups).map(|g| of_group(g) * length(g)).sum();
        for n in 0..weights {
            self.byte(offset_at(record, 24) + n, i8::MIN, i8::MAX);
        }
        self.words(offset_at(record, 28), outputs);
        self.words(offset_at(record, 32), outputs);
        self.words(offset_at(record, 36), outputs * header.classes);
    }

    fn lstm(&mut self, at: usize, header: &Header) {
        let record = self.blob[at..at + 64].to_vec();
        let (inputs, hidden) = (usize::from(u16_at(&record, 16)), usize::from(u16_at(&record, 18)));
        for unit in 0..hidden {
            // Fraction 7 for gate g, or 8 to 14.
            let at = offset_at(&record, 56) + unit;
            if self.random.once_in(2) { self.byte(at, 0x70, 0x7f) } else { self.byte(at, -0x80, -0x11) }
        }
        self.byte(at + 2, 0, 31);
        self.byte(at + 3, 0, 31);
        self.byte(at + 5, i8::MIN, i8::MAX);
        for rescale in [20, 24, 60] {
            self.rescale(at + rescale);
        }
        let kernel = usize::from(record[4]);
        let units = |g: usize| header.start(hidden, g + 1) - header.start(hidden, g);
        let weights: usize =
            (0..header.groups).map(|g| 4 * units(g) * (kernel / 2 * inputs + header.start(inputs, g + 1))).sum();
        for n in 0..weights {
            self.byte(offset_at(&record, 28) + n, i8::MIN, i8::MAX);
        }
        let pixels = if record[0] == 7 { kernel } else { 2 };
        for n in 0..4 * hidden * pixels * hidden {
            self.byte(offset_at(&record, 40) + n, i8::MIN, i8::MAX);
        }
        for table in [32, 36, 44] {
            self.words(offset_at(&record, table), 4 * hidden);
        }
        self.words(offset_at(&record, 48), 4 * hidden * header.classes);
        let rows = if record[0] == 7 { 1 } else { header.height };
        // Pairs of i16.
        self.words(offset_at(&record, 52), rows * hidden);
    }
}
