"use strict";
postMessage({ path: self.location.pathname, native: WebSocket.toString().includes("native code") });
