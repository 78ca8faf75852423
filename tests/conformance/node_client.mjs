// Holds one whole conversation through Deepgram's Node SDK and prints what it saw, as python_client.py does.
import { readFileSync } from "node:fs";
import { DeepgramClient } from "@deepgram/sdk";

const { EMULATOR_AGENT: agentUrl, EMULATOR_API: api, DEEPGRAM_API_KEY: apiKey, SPEECH, WEATHER } = process.env;
const audio = { encoding: "linear16", sample_rate: 16000 };
const speak = { provider: { type: "deepgram", model: "aura-2-thalia-en" } };
const listen = { provider: { type: "deepgram", version: "v2", model: "flux-general-en" } };
const think = {
  provider: { type: "open_ai", model: "gpt-4o-mini" },
  prompt: "Be brief.",
  functions: [
    {
      name: "get_order",
      description: "Tells where an order is",
      parameters: { type: "object", properties: { order_id: { type: "string" } } },
    },
    {
      name: "get_weather",
      description: "Tells the weather in a city",
      parameters: { type: "object", properties: { city: { type: "string" } } },
      endpoint: { url: WEATHER, method: "post" },
    },
  ],
};

const client = new DeepgramClient({
  apiKey,
  environment: { base: api, production: agentUrl, agent: agentUrl, agentRest: api },
});
const connection = await client.agent.v1.connect({ reconnectAttempts: 0 });
const messages = [];
let audioBytes = 0;
let spoken = 0;

const steps = {
  Welcome: () =>
    connection.sendSettings({
      type: "Settings",
      tags: ["sdk"],
      audio: { input: audio, output: audio },
      agent: { listen: { provider: { type: "deepgram", model: "nova-3" } }, think, speak, greeting: "Hi" },
    }),
  AgentAudioDone1: () =>
    connection.sendInjectUserMessage({ type: "InjectUserMessage", content: "Where is order A-17?" }),
  FunctionCallRequest: ({ functions: [{ id, name, client_side: clientSide }] }) =>
    clientSide &&
    connection.sendFunctionCallResponse({ type: "FunctionCallResponse", id, name, content: "It is in Oslo." }),
  AgentAudioDone2: () => {
    connection.sendUpdatePrompt({ type: "UpdatePrompt", prompt: "Be briefer." });
    connection.sendUpdateSpeak({ type: "UpdateSpeak", speak });
  },
  SpeakUpdated: () => {
    connection.sendUpdateThink({ type: "UpdateThink", think });
    connection.sendUpdateListen({ type: "UpdateListen", listen });
    connection.sendKeepAlive({ type: "KeepAlive" });
    const speech = readFileSync(SPEECH);
    for (let at = 0; at < speech.length; at += 640) connection.sendMedia(speech.subarray(at, at + 640));
  },
  AgentAudioDone3: () =>
    connection.sendInjectUserMessage({ type: "InjectUserMessage", content: "What is the weather in Paris?" }),
  AgentAudioDone4: () => connection.sendInjectAgentMessage({ type: "InjectAgentMessage", message: "Goodbye" }),
  AgentAudioDone5: () => connection.close(),
};

const closed = new Promise((resolve, reject) => {
  connection.on("close", resolve);
  connection.on("error", reject);
});
connection.on("message", (message) => {
  if (!message?.type || typeof message.type !== "string" || message instanceof Blob) {
    audioBytes += message.byteLength ?? message.size ?? message.length ?? 0;
    return;
  }
  messages.push({ type: message.type, fields: message, form: "", extra: [] });
  const kind = message.type === "AgentAudioDone" ? `AgentAudioDone${++spoken}` : message.type;
  steps[kind]?.(message);
  if (kind === "AgentAudioDone5") finish();
});

function finish() {
  process.stdout.write(JSON.stringify({ messages, audio_bytes: audioBytes }), () => process.exit(0));
}

connection.connect();
await connection.waitForOpen();
await closed;
