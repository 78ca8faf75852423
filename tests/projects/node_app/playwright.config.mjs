import { defineConfig } from "@playwright/test";

export default defineConfig({
  testMatch: "*.spec.*",
  reporter: "line",
  use: { baseURL: process.env.APPLICATION, launchOptions: { executablePath: process.env.CHROMIUM } },
});
