"use strict";
// Playwright: each context that it makes or finds gets the init script, so that pages are redirected as well.

const fs = require("fs");

const BROWSER_TYPES = ["chromium", "firefox", "webkit"];
const BROWSERS_FROM = ["launch", "connect", "connectOverCDP"];
const CONTEXTS_FROM = ["newContext", "newPage", "_newContextForReuse"];

const patched = new WeakSet();
const prepared = new WeakSet();

function patch(playwright) {
  for (const name of BROWSER_TYPES) {
    const type = playwright?.[name];
    if (typeof type?.launch === "function") patchType(Object.getPrototypeOf(type));
  }
}

function patchType(prototype) {
  if (patched.has(prototype)) return;
  patched.add(prototype);
  for (const name of BROWSERS_FROM) wrap(prototype, name, async (browser) => patchBrowser(browser));
  wrap(prototype, "launchPersistentContext", prepare, (directory, options) => [directory, withoutPolicy(options)]);
}

async function patchBrowser(browser) {
  const prototype = Object.getPrototypeOf(browser);
  if (!patched.has(prototype)) {
    patched.add(prototype);
    for (const name of CONTEXTS_FROM) wrap(prototype, name, prepareOwner, (options) => [withoutPolicy(options)]);
  }
  await Promise.all(browser.contexts().map(prepare));
}

/** Let ``prepared`` see what a method returns before its caller does. */
function wrap(prototype, name, prepareResult, changedArguments = (...args) => args) {
  const method = prototype[name];
  if (typeof method !== "function") return;
  prototype[name] = async function (...args) {
    const result = await method.apply(this, changedArguments(...args));
    await prepareResult(result);
    return result;
  };
}

/** A page's policy names the vendor's addresses, not the gateway's; a test that says otherwise has its way. */
function withoutPolicy(options) {
  return { ...options, bypassCSP: options?.bypassCSP ?? true };
}

async function prepareOwner(contextOrPage) {
  await prepare(typeof contextOrPage.context === "function" ? contextOrPage.context() : contextOrPage);
}

async function prepare(context) {
  if (prepared.has(context)) return;
  prepared.add(context);
  const content = script();
  if (content) await context.addInitScript({ content });
}

function script() {
  try {
    return fs.readFileSync(process.env.DGBUDGET_BROWSER_SCRIPT, "utf8");
  } catch {
    return null;
  }
}

module.exports = { patch };
