//! A blob as C sources: an array of constants, and a header with its sizes as macros.

use pixelrnn::Model;
use pixelrnn::network::Image;
use std::fmt::Write;

/// C sources of a blob.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sources {
    /// Content of `NAME.c`.
    pub source: String,
    /// Content of `NAME.h`.
    pub header: String,
}

/// Keywords of C99, C11 and C++ that are no names.
const KEYWORDS: [&str; 44] = [
    "auto",
    "bool",
    "break",
    "case",
    "catch",
    "char",
    "class",
    "const",
    "continue",
    "default",
    "delete",
    "do",
    "double",
    "else",
    "enum",
    "extern",
    "false",
    "float",
    "for",
    "goto",
    "if",
    "inline",
    "int",
    "long",
    "namespace",
    "new",
    "operator",
    "private",
    "public",
    "register",
    "restrict",
    "return",
    "short",
    "signed",
    "sizeof",
    "static",
    "struct",
    "switch",
    "this",
    "true",
    "typedef",
    "union",
    "void",
    "while",
];

/// Name in C for a file name without its ending: other characters than letters and digits become `_`. `None` where that is no name.
///
/// ```
/// use pixelrnn_build::emit_c::name;
///
/// assert_eq!(name("mnist-pixelcnn").as_deref(), Some("mnist_pixelcnn"));
/// assert_eq!(name("8x8"), None);
/// assert_eq!(name("static"), None);
/// ```
pub fn name(stem: &str) -> Option<String> {
    let name: String = stem.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    // Names that begin with `_` are the compiler's.
    let good = name.starts_with(|c: char| c.is_ascii_alphabetic()) && !KEYWORDS.contains(&name.as_str());
    good.then_some(name)
}

/// C99 sources of `model` under `name`, as [`name()`] makes it: the words `NAME_blob`, and macros `NAME_BYTES`, `NAME_STATE_WORDS`,
/// `NAME_HEIGHT`, `NAME_WIDTH`, `NAME_CHANNELS`, `NAME_LEVELS`, `NAME_CLASSES`, `NAME_VALUES` in upper case.
///
/// Words are aligned to four bytes on every compiler, and to 16 with those that take GNU attributes.
pub fn sources(model: &Model<'_>, name: &str) -> Sources {
    let Image { height, width, channels, levels } = model.image();
    let upper = name.to_ascii_uppercase();
    let mut header = format!(
        "/* Model of pixelrnn, identity {:016x}. Made by `pixelrnn convert --emit c`. */\n#ifndef {upper}_H\n#define {upper}_H\n\n\
         #include <stdint.h>\n\n",
        model.identity()
    );
    let macros = [
        ("BYTES", model.blob().len(), "bytes of the model in flash"),
        ("STATE_WORDS", model.state_words(), "words of four bytes that an engine needs as its state"),
        ("HEIGHT", height, "rows of an image"),
        ("WIDTH", width, "columns of an image"),
        ("CHANNELS", channels, "1, or 3 for R, G, B"),
        ("LEVELS", levels, "values are 0 to this - 1"),
        ("CLASSES", model.classes(), "labels are 0 to this - 1; 0: images have no labels"),
        ("VALUES", model.image().values(), "values of an image"),
    ];
    for (macro_name, value, about) in macros {
        let _ = writeln!(header, "#define {upper}_{macro_name} {value}u /* {about} */");
    }
    let _ = write!(
        header,
        "\n#ifdef __cplusplus\nextern \"C\" {{\n#endif\n\nextern const uint32_t {name}_blob[];\n\n\
         #ifdef __cplusplus\n}}\n#endif\n\n#endif /* {upper}_H */\n"
    );
    Sources { source: source(model.blob(), name), header }
}

/// Content of `NAME.c`.
fn source(bytes: &[u8], name: &str) -> String {
    const COLUMNS: usize = 10;
    let mut source = format!(
        "/* Model of pixelrnn. Made by `pixelrnn convert --emit c`. */\n#include \"{name}.h\"\n\n\
         #if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__\n\
         #error \"models are little-endian\"\n#endif\n\n\
         #ifdef __GNUC__\n__attribute__((aligned(16)))\n#endif\nconst uint32_t {name}_blob[{}] = {{\n",
        bytes.len().div_ceil(4)
    );
    let words: Vec<u32> =
        bytes.chunks(4).map(|chunk| chunk.iter().rev().fold(0, |word, byte| word << 8 | u32::from(*byte))).collect();
    for line in words.chunks(COLUMNS) {
        let line: Vec<_> = line.iter().map(|word| format!("0x{word:08x}")).collect();
        let _ = writeln!(source, "    {},", line.join(", "));
    }
    source.push_str("};\n");
    source
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_little_endian_and_the_last_is_filled_with_zeros() {
        let source = source(&[1, 2, 3, 4, 5, 6], "m");
        assert!(source.contains("m_blob[2] = {\n    0x04030201, 0x00000605,\n};\n"), "{source}");
    }

    #[test]
    fn names_are_those_of_c() {
        for (stem, expected) in [("model", Some("model")), ("a-b.c d", Some("a_b_c_d")), ("größe", Some("gr__e"))] {
            assert_eq!(name(stem).as_deref(), expected, "{stem}");
        }
        for stem in ["", "7", "-", "_x", "int", "class"] {
            assert_eq!(name(stem), None, "{stem}");
        }
    }
}
