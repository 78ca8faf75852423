// A voice agent behind Node: a bridge for browsers. It prints its port.
import { WebSocket, WebSocketServer } from "ws";

const AGENT_URL = "wss://agent.deepgram.com/v1/agent/converse";
const API_KEY = process.env.DEEPGRAM_API_KEY;

const server = new WebSocketServer({ host: "127.0.0.1", port: 0, path: "/api/voice-agent" });

server.on("listening", () => console.log(server.address().port));
server.on("connection", (browser) => {
  const agent = new WebSocket(AGENT_URL, { headers: { authorization: `Token ${API_KEY}` } });
  const opened = new Promise((resolve) => agent.on("open", resolve));
  browser.on("message", async (data, isBinary) => {
    await opened;
    agent.send(data, { binary: isBinary });
  });
  agent.on("message", (data, isBinary) => browser.send(data, { binary: isBinary }));
  browser.on("close", () => agent.close());
  agent.on("close", () => browser.close());
  agent.on("error", (error) => console.error(error.message));
});
