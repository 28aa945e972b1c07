//! Cost of a symbol in bits, from its frequency.

/// `round(2³¹ / (1 + (i + 0.5) / 32))`.
const INVERSE: [u32; 32] = [
    2_114_445_438,
    2_051_327_664,
    1_991_868_891,
    1_935_759_908,
    1_882_725_390,
    1_832_519_380,
    1_784_921_474,
    1_739_733_588,
    1_696_777_203,
    1_655_891_006,
    1_616_928_864,
    1_579_758_086,
    1_544_257_904,
    1_510_318_170,
    1_477_838_209,
    1_446_725_826,
    1_416_896_428,
    1_388_272_257,
    1_360_781_718,
    1_334_358_772,
    1_308_942_414,
    1_284_476_201,
    1_260_907_830,
    1_238_188_770,
    1_216_273_925,
    1_195_121_335,
    1_174_691_910,
    1_154_949_189,
    1_135_859_120,
    1_117_389_866,
    1_099_511_628,
    1_082_196_484,
];

/// `round(-log2(INVERSE[i] / 2³¹) · 2³⁰)`.
const LOG: [i32; 32] = [
    24_017_256,
    70_962_728,
    116_527_248,
    160_789_745,
    203_822_568,
    245_692_198,
    286_459_867,
    326_182_095,
    364_911_162,
    402_695_523,
    439_580_171,
    475_606_957,
    510_814_882,
    545_240_343,
    578_917_366,
    611_877_800,
    644_151_509,
    675_766_526,
    706_749_198,
    737_124_328,
    766_915_285,
    796_144_114,
    824_831_638,
    852_997_541,
    880_660_455,
    907_838_029,
    934_547_002,
    960_803_257,
    986_621_888,
    1_012_017_244,
    1_037_002_979,
    1_061_592_099,
];

/// `1 / ln 2` in units of 2⁻³⁰.
const PER_LN2: i64 = 1_549_082_005;

/// Cost of a symbol with probability `frequency / 2²⁴`: `24 - log2(frequency)` bits, in units of 2⁻²⁴ bit.
///
/// A frequency of 0 counts as 1. The error is below 2⁻²³ bit.
pub const fn cost_bits(frequency: u32) -> u32 {
    let frequency = if frequency == 0 { 1 } else { frequency };
    let exponent = frequency.ilog2();
    // `mantissa` is 1.m in units of 2⁻³¹. The upper five bits of m select the expansion point of a short series.
    let mantissa = (frequency << (31 - exponent)) as u64;
    let at = (mantissa >> 26) as usize & 31;
    // Within ±2²⁶, so 32 bits also hold its powers and no 64-bit division is needed.
    let e = (((mantissa * INVERSE[at] as u64) >> 31) as i64 - (1 << 31)) as i32;
    let square = product(e, e);
    let series = e - (square >> 1) + product(square, e) / 3;
    let log = ((exponent as i64) << 30) + LOG[at] as i64 + ((series as i64 * PER_LN2) >> 31);
    let cost = (24 << 30) - log;
    if cost < 0 { 0 } else { ((cost + 32) >> 6) as u32 }
}

/// Product of two numbers in units of 2⁻³¹.
const fn product(a: i32, b: i32) -> i32 {
    ((a as i64 * b as i64) >> 31) as i32
}

#[cfg(test)]
mod tests {
    use super::cost_bits;

    #[test]
    fn agrees_with_floats_for_all_sizes_of_frequency() {
        let mut frequency = 1u32;
        while frequency < 1 << 24 {
            let exact = 24.0 - f64::from(frequency).log2();
            let got = f64::from(cost_bits(frequency)) / f64::from(1 << 24);
            assert!((got - exact).abs() < 1.0 / f64::from(1 << 23), "{frequency}: {got} for {exact}");
            frequency += 1 + frequency / 1000;
        }
        assert_eq!(cost_bits(1), 24 << 24);
        assert_eq!(cost_bits(1 << 24), 0);
        assert_eq!(cost_bits(0), cost_bits(1));
    }
}
