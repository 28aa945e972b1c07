//! JSON format of a description.
//!
//! Presets and lists of ops are separate types, selected by a look at the keys. Each type then rejects unknown keys by
//! name.

use super::{Conditioning, Description, MAX_SCALES, NetworkSpec, OpSpec};
use crate::error::Error;
use pixelrnn::network::{Architecture, ColourGroups, Image, InputMap, Mask, Output, Preset};
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

#[derive(Serialize, Deserialize)]
#[serde(remote = "Mask")]
pub(super) enum MaskName {
    A,
    B,
}

/// [`MaskName`] of a mask that may be left out.
pub(super) mod optional_mask {
    use super::{Mask, MaskName};
    use serde::{Deserialize, Deserializer, Serializer};

    #[allow(clippy::ref_option, clippy::trivially_copy_pass_by_ref)] // the signature that serde calls
    pub(in super::super) fn serialize<S: Serializer>(mask: &Option<Mask>, to: S) -> Result<S::Ok, S::Error> {
        match mask {
            Some(mask) => MaskName::serialize(mask, to),
            None => to.serialize_none(),
        }
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Mask>, D::Error> {
        #[derive(Deserialize)]
        struct Named(#[serde(with = "MaskName")] Mask);
        Ok(Option::<Named>::deserialize(from)?.map(|Named(mask)| mask))
    }
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Image", deny_unknown_fields)]
struct ImageFields {
    height: usize,
    width: usize,
    channels: usize,
    levels: usize,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Output", rename_all = "snake_case")]
enum OutputName {
    Softmax,
    Bernoulli,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "ColourGroups", rename_all = "snake_case")]
enum ColourGroupsName {
    Cyclic,
    Contiguous,
    None,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Architecture", rename_all = "snake_case")]
enum ArchitectureName {
    PixelCnn,
    RowLstm,
    DiagonalBilstm,
    GatedPixelCnn,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct InputFields {
    scale: Option<f32>,
    shift: Option<f32>,
}

impl InputFields {
    fn of(description: &Description) -> Option<Self> {
        let InputMap { scale, shift } = description.input;
        (description.input != InputMap::unit(description.image.levels))
            .then_some(Self { scale: Some(scale), shift: Some(shift) })
    }

    fn map(fields: Option<&Self>, levels: usize) -> InputMap {
        let unit = InputMap::unit(levels);
        fields.map_or(unit, |fields| InputMap {
            scale: fields.scale.unwrap_or(unit.scale),
            shift: fields.shift.unwrap_or(unit.shift),
        })
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(clippy::struct_excessive_bools)] // the options of the paper, each on or off by itself
struct PresetFile {
    #[serde(with = "ArchitectureName")]
    architecture: Architecture,
    #[serde(with = "ImageFields")]
    image: Image,
    #[serde(skip_serializing_if = "Option::is_none")]
    input: Option<InputFields>,
    hidden: usize,
    layers: usize,
    input_kernel: usize,
    kernel: usize,
    head: usize,
    #[serde(with = "OutputName")]
    output: Output,
    #[serde(default = "yes")]
    residual: bool,
    #[serde(default)]
    skip: bool,
    #[serde(default)]
    depth_gate: bool,
    #[serde(default)]
    initial_state: bool,
    #[serde(default)]
    classes: usize,
    #[serde(default, with = "ColourGroupsName")]
    colour_groups: ColourGroups,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    upsample: Option<Vec<OpSpec>>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct OpsFile {
    #[serde(with = "ImageFields")]
    image: Image,
    #[serde(skip_serializing_if = "Option::is_none")]
    input: Option<InputFields>,
    #[serde(with = "OutputName")]
    output: Output,
    #[serde(default)]
    classes: usize,
    #[serde(default, with = "ColourGroupsName")]
    colour_groups: ColourGroups,
    ops: Vec<OpSpec>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    upsample: Option<Vec<OpSpec>>,
}

/// Models of one scale each, from the smallest image to the largest.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ScalesFile {
    scales: Vec<Box<RawValue>>,
}

fn yes() -> bool {
    true
}

/// Keys that select the type of a description.
#[derive(Deserialize)]
struct Form {
    architecture: Option<IgnoredAny>,
    ops: Option<IgnoredAny>,
    scales: Option<IgnoredAny>,
}

pub(super) fn read(text: &str) -> Result<Description, Error> {
    let form: Form = parse(text)?;
    if form.scales.is_some() {
        return read_scales(&parse::<ScalesFile>(text)?.scales);
    }
    match read_one(text)? {
        (description, None) => Ok(description),
        (_, Some(_)) => Err(Error::Upsample("`upsample` belongs to an entry of `scales`")),
    }
}

/// Reads a model of one scale, and its `upsample`.
fn read_one(text: &str) -> Result<(Description, Option<Vec<OpSpec>>), Error> {
    let form: Form = parse(text)?;
    match (form.architecture, form.ops) {
        (None, None) => Err(Error::NoNetwork),
        (Some(_), Some(_)) => Err(Error::TwoNetworks),
        (Some(_), None) => parse::<PresetFile>(text).map(PresetFile::description),
        (None, Some(_)) => parse::<OpsFile>(text).map(OpsFile::description),
    }
}

fn read_scales(entries: &[Box<RawValue>]) -> Result<Description, Error> {
    if !(2..=MAX_SCALES).contains(&entries.len()) {
        return Err(Error::Scales { got: entries.len(), most: MAX_SCALES });
    }
    let mut smaller: Option<Description> = None;
    for (scale, entry) in entries.iter().enumerate() {
        let within = |source| Error::Scale { scale, source: Box::new(source) };
        let (mut description, upsample) = read_one(entry.get()).map_err(within)?;
        description.conditioning = match (smaller.take(), upsample) {
            (None, None) => None,
            (Some(small), Some(upsample)) => Some(Box::new(Conditioning { small, upsample })),
            (None, Some(_)) => {
                return Err(within(Error::Upsample("the first scale has no `upsample`, as there is no smaller image")));
            }
            (Some(_), None) => {
                return Err(within(Error::Upsample("missing field `upsample`, which all scales but the first have")));
            }
        };
        description.nodes().map_err(within)?;
        smaller = Some(description);
    }
    smaller.ok_or(Error::NoNetwork)
}

fn parse<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, Error> {
    let mut reader = serde_json::Deserializer::from_str(text);
    let value = serde_path_to_error::deserialize(&mut reader).map_err(|e| {
        let path = e.path().to_string();
        // A top-level error has no path, and a message that names the key needs none.
        if path == "." || e.inner().to_string().contains(&format!("`{path}`")) {
            Error::Json(e.into_inner().to_string())
        } else {
            Error::Json(format!("at `{path}`: {}", e.into_inner()))
        }
    })?;
    reader.end().map_err(|e| Error::Json(e.to_string()))?;
    Ok(value)
}

pub(super) fn write(description: &Description) -> String {
    if description.conditioning.is_none() {
        return write_one(description);
    }
    let raw = |scale: &&Description| RawValue::from_string(write_one(scale)).expect("it was written as JSON");
    let scales = description.scales().iter().map(raw).collect();
    serde_json::to_string(&ScalesFile { scales }).expect("a list of JSON texts has a JSON form")
}

fn write_one(description: &Description) -> String {
    let text = match &description.network {
        NetworkSpec::Preset(preset) => serde_json::to_string(&PresetFile::of(description, preset)),
        NetworkSpec::Ops(ops) => serde_json::to_string(&OpsFile::of(description, ops)),
    };
    text.expect("numbers, strings and lists always have a JSON form")
}

fn upsample_of(description: &Description) -> Option<Vec<OpSpec>> {
    description.conditioning.as_deref().map(|conditioning| conditioning.upsample.clone())
}

impl PresetFile {
    fn of(description: &Description, preset: &Preset) -> Self {
        Self {
            architecture: preset.architecture,
            image: description.image,
            input: InputFields::of(description),
            hidden: preset.hidden,
            layers: preset.layers,
            input_kernel: preset.input_kernel,
            kernel: preset.kernel,
            head: preset.head,
            output: description.output,
            residual: preset.residual,
            skip: preset.skip,
            depth_gate: preset.depth_gate,
            initial_state: preset.initial_state,
            classes: description.classes,
            colour_groups: description.colour_groups,
            upsample: upsample_of(description),
        }
    }

    fn description(self) -> (Description, Option<Vec<OpSpec>>) {
        let preset = Preset {
            architecture: self.architecture,
            image: self.image,
            hidden: self.hidden,
            layers: self.layers,
            input_kernel: self.input_kernel,
            kernel: self.kernel,
            head: self.head,
            output: self.output,
            residual: self.residual,
            skip: self.skip,
            depth_gate: self.depth_gate,
            initial_state: self.initial_state,
            classes: self.classes,
            colour_groups: self.colour_groups,
        };
        let input = InputFields::map(self.input.as_ref(), self.image.levels);
        (Description { input, ..Description::from(preset) }, self.upsample)
    }
}

impl OpsFile {
    fn of(description: &Description, ops: &[OpSpec]) -> Self {
        Self {
            image: description.image,
            input: InputFields::of(description),
            output: description.output,
            classes: description.classes,
            colour_groups: description.colour_groups,
            ops: ops.to_vec(),
            upsample: upsample_of(description),
        }
    }

    fn description(self) -> (Description, Option<Vec<OpSpec>>) {
        let description = Description {
            image: self.image,
            output: self.output,
            input: InputFields::map(self.input.as_ref(), self.image.levels),
            classes: self.classes,
            colour_groups: self.colour_groups,
            network: NetworkSpec::Ops(self.ops),
            conditioning: None,
        };
        (description, self.upsample)
    }
}
