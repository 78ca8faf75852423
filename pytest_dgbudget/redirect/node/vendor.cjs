"use strict";
// Which requests are the vendor's, and where they go instead.

const { pathname, query, authority } = require("./target.cjs");
const { carriesToken } = require("./credentials.cjs");

const AGENT_HOST = "agent.deepgram.com";
const API_HOST = /^api(\.[a-z0-9-]+)?\.deepgram\.com$/;
const AGENT_PATHS = /^\/+(v1\/+agent\/|agent\/*$)/;
const GRANT_PATH = /^\/+v1\/+auth\/+grant\/*$/;

const GATEWAY_AGENT_PATH = "/v1/agent/converse";
const OTHER_HOST_PREFIX = "/to/";
const REFUSED = Symbol("refused");

function isVendor(target, { agent }) {
  return target.host === AGENT_HOST || API_HOST.test(target.host) || isAt(target, agent);
}

function isAt(target, { host, port }) {
  return target.host === host && target.port === port;
}

/** Whether a WebSocket with this target is a session with the agent, which is billed. */
function isAgent(target, { agent }) {
  if (target.host === AGENT_HOST) return true;
  if (API_HOST.test(target.host) && AGENT_PATHS.test(pathname(target))) return true;
  return isAt(target, agent) && target.secure === agent.secure && pathname(target) === pathname(agent);
}

function mintsToken(target, method, settings) {
  return settings.grant && method.toUpperCase() === "POST" && GRANT_PATH.test(pathname(target));
}

/** The gateway's path for a session with the agent. */
function agentPath(target) {
  return GATEWAY_AGENT_PATH + query(target);
}

/** The gateway's path for anything else of the vendor's. */
function otherPath(target) {
  return OTHER_HOST_PREFIX + authority(target) + target.path;
}

/**
 * What becomes of a WebSocket: "refused", the gateway's path, or null: it is left alone.
 * Only clients that carry a token of ours have anything to seek at the vendor's other addresses.
 */
function webSocketPath(target, settings, authorization, protocols) {
  if (!isVendor(target, settings)) return null;
  if (isAgent(target, settings)) return settings.how === "refuse" ? REFUSED : agentPath(target);
  return requestPath(target, settings, "GET", authorization, protocols);
}

/** What becomes of any other request. */
function requestPath(target, settings, method, authorization, protocols = []) {
  if (settings.how === "refuse" || !isVendor(target, settings)) return null;
  const ours = mintsToken(target, method, settings) || carriesToken(authorization, protocols);
  return ours ? otherPath(target) : null;
}

module.exports = { isVendor, isAgent, webSocketPath, requestPath, REFUSED };
