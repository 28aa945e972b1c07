//! Devices of other machines, by what Burn has for it: tensors and operations go over a WebSocket.

use super::BackEnd;
use crate::error::Error;
use burn::prelude::Device;
use burn::remote::RemoteHost;
use burn::server::{RemoteServer, WebSocketTransport};

/// The devices that the machine at `url` serves.
pub(super) fn devices(url: &str) -> Result<Vec<Device>, Error> {
    let found = RemoteHost::websocket(url).devices().map_err(|e| Error::other(format!("{url}: {e}")))?;
    Ok(found.iter().cloned().collect())
}

/// Serves the devices of `back_end` on `port` until the program is stopped. Whoever reaches the port can use them: nothing is encrypted
/// and nobody is asked who they are.
///
/// # Errors
/// When the port cannot be had.
pub fn serve(back_end: &BackEnd, port: u16) -> Result<(), Error> {
    let server = RemoteServer::new(back_end.devices().iter().cloned());
    server.serve(WebSocketTransport::new(port)).map_err(|e| Error::other(format!("port {port}: {e}")))
}
