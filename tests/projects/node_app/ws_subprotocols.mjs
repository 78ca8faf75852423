// Dials each URL in turn, its key in the subprotocols.
import { once } from "node:events";
import WebSocket from "ws";
import { showSession } from "./show.cjs";

const [scheme, key, ...urls] = process.argv.slice(2);
for (const url of urls) {
  const socket = new WebSocket(url, [scheme, key]);
  showSession(socket);
  await once(socket, "close");
}
