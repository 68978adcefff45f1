// The API reference: every route, field and error of this very service, from its OpenAPI document.

import "swagger-ui-dist/swagger-ui.css";
import "./docs.css";
import SwaggerUI from "swagger-ui-dist/swagger-ui-es-bundle.js";
import { read } from "../api";

const DOCUMENT = "/openapi.json";
/** The service makes the document for the first who asks. */
const LIMIT_S = 60;
const root = document.getElementById("root");

async function show(place: HTMLElement): Promise<void> {
  const answer = await read<object>(DOCUMENT, { limitS: LIMIT_S });
  if (answer.kind !== "fresh") {
    place.append(trouble(answer.kind === "same" ? "" : answer.detail));
    return;
  }
  SwaggerUI({
    domNode: place,
    spec: answer.value,
    docExpansion: "none",
    defaultModelsExpandDepth: 0,
    deepLinking: true,
    filter: true,
    // What changes something is asked from the dashboard or the command line.
    supportedSubmitMethods: ["get"],
    validatorUrl: null,
  });
}

function trouble(detail: string): HTMLElement {
  const text = document.createElement("p");
  text.className = "trouble";
  text.setAttribute("role", "alert");
  const link = document.createElement("a");
  link.href = "/";
  link.textContent = "Sign in on the dashboard";
  text.append(`The API's document was not read: ${detail}. `, link, ", then load this page again.");
  return text;
}

const dark = matchMedia("(prefers-color-scheme: dark)");
const followSystem = () => document.documentElement.classList.toggle("dark-mode", dark.matches);
dark.addEventListener("change", followSystem);
followSystem();
if (root) void show(root);
