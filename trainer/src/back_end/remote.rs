//! Remote devices, through Burn's remote back end: tensors and operations are sent over a WebSocket.

use super::BackEnd;
use crate::error::Error;
use burn::prelude::Device;
use burn::remote::RemoteHost;
use burn::server::{RemoteServer, WebSocketTransport};

/// Devices served by the machine at `url`.
pub(super) fn devices(url: &str) -> Result<Vec<Device>, Error> {
    let found = RemoteHost::websocket(url).devices().map_err(|e| Error::other(format!("{url}: {e}")))?;
    Ok(found.iter().cloned().collect())
}

/// Serves the devices of `back_end` on `port` until the program is stopped. Connections are neither encrypted nor
/// authenticated, so any host that can reach the port can use the devices.
///
/// # Errors
/// Fails if the port is not available.
pub fn serve(back_end: &BackEnd, port: u16) -> Result<(), Error> {
    let server = RemoteServer::new(back_end.devices().iter().cloned());
    server.serve(WebSocketTransport::new(port)).map_err(|e| Error::other(format!("port {port}: {e}")))
}
