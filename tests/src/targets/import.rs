//! Checkpoints and archives of arrays: reading them with a description, and listing their tensors, ends without harm, whatever the
//! pickle asks for.

use pixelrnn_converter::import::{Listing, Options, from_bytes};
use pixelrnn_converter::{Description, TrainedModel};

/// The network of the seeds.
const NETWORK: &str = include_str!("../../fixtures/import/chain.json");

pub fn run(bytes: &[u8]) {
    let description = Description::from_json(NETWORK).expect("the network of the seeds");
    let options = Options { description: Some(description), ..Options::default() };
    if let Ok(imported) = from_bytes(bytes.to_vec(), None, options) {
        let file = imported.model.to_bytes().expect("what was read can be written");
        assert_eq!(TrainedModel::from_bytes(&file).expect("what was just written"), imported.model);
    }
    if let Ok(listing) = Listing::from_bytes(bytes.to_vec(), None, None, &[])
        && let Some(suggestion) = listing.suggestion
        && suggestion.fits
    {
        let described = Description::from_json(&suggestion.json);
        assert!(described.is_ok(), "{}: {described:?}", suggestion.json);
    }
}
