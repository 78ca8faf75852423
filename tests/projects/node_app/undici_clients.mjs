// The package undici: its WebSocket, its fetch, and an upgrade of its own, through an agent of the program's own.
import { Agent, ProxyAgent, WebSocket, fetch, setGlobalDispatcher, upgrade } from "undici";
import { show, showFailure, showSession } from "./show.cjs";

const [port, token, how] = process.argv.slice(2);
const key = "0123456789abcdef0123456789abcdef01234567";

if (how === "websocket") showSession(new WebSocket("wss://agent.deepgram.com/v1/agent/converse", ["token", key]));
if (how === "fetch through a proxy") {
  setGlobalDispatcher(new ProxyAgent("http://127.0.0.1:1"));
  const headers = { Authorization: `Token ${token}` };
  show(await (await fetch("https://api.deepgram.com/v1/projects", { headers })).json());
  show(await (await globalThis.fetch("https://api.deepgram.com/v1/models", { headers })).json());
}
if (how === "upgrade") {
  const dispatcher = new Agent({ allowH2: true });
  const headers = { Authorization: `Token ${key}` };
  const url = `https://agent.deepgram.com:${port}/v1/agent/converse`;
  try {
    const { socket } = await upgrade(url, { protocol: "websocket", headers, dispatcher });
    show({ upgraded: true });
    socket.destroy();
  } catch (error) {
    showFailure(error);
  }
  await dispatcher.destroy();
}
