// The project's own lint rules: which folder may import which, and where time and randomness may come from.

/// <reference lib="deno.unstable" />

import { pathToFileURL } from "node:url";

const ROOT = new URL("../../", import.meta.url);

/** What a folder must not import. Files at the top (main.ts) may import all of these. */
const FORBIDDEN: Record<string, readonly string[]> = {
  core: ["client", "server", "tests"],
  client: ["server", "tests"],
  server: ["client", "tests"],
  tests: [],
};
const FORBIDDEN_ELSEWHERE = ["tests"];

/** Files where time and randomness enter the program, and tests. */
const AMBIENT_ALLOWED = /^(core\/(clock|random)\.ts|main\.ts|tests\/.*)$/;
const AMBIENT_MEMBERS: Record<string, readonly string[]> = {
  Date: ["now"],
  performance: ["now"],
  Math: ["random"],
  crypto: ["randomUUID", "getRandomValues"],
};
const AMBIENT_FUNCTIONS = ["setTimeout", "setInterval"];
/** The same functions by another door; an empty list means the whole module. */
const AMBIENT_MODULES: Record<string, readonly string[]> = {
  "node:timers": [],
  "node:timers/promises": [],
  "node:crypto": ["randomUUID", "getRandomValues", "randomBytes", "randomInt", "randomFill", "randomFillSync"],
};
const HINT = "Take it from the Clock or the random source that is handed in (core/clock.ts)";

/** Path of a file from the root of the project, with "/"; undefined outside. */
function projectPath(url: URL): string | undefined {
  return url.href.startsWith(ROOT.href) ? decodeURIComponent(url.href.slice(ROOT.href.length)) : undefined;
}

function folderOf(path: string | undefined): string {
  return path?.includes("/") ? path.slice(0, path.indexOf("/")) : "";
}

function fileUrl(filename: string): URL {
  return /^([/\\]|[A-Za-z]:)/.test(filename) ? pathToFileURL(filename) : new URL(filename, ROOT);
}

function textOf(node: Deno.lint.Node | null | undefined): string | undefined {
  if (node?.type === "TSLiteralType") return textOf(node.literal);
  if (node?.type === "TemplateLiteral" && node.quasis.length === 1) return node.quasis[0]!.cooked;
  return node?.type === "Literal" && typeof node.value === "string" ? node.value : undefined;
}

/** Name of a property, `object.name` or `object["name"]`. */
function propertyOf(node: Deno.lint.MemberExpression): string | undefined {
  if (node.computed) return textOf(node.property);
  return node.property.type === "Identifier" ? node.property.name : undefined;
}

/** Name of a global, `name` or `globalThis.name`. */
function globalOf(node: Deno.lint.Node): string | undefined {
  if (node.type === "Identifier") return node.name;
  const isMember = node.type === "MemberExpression" && node.object.type === "Identifier";
  return isMember && /^(globalThis|self|window)$/.test((node.object as Deno.lint.Identifier).name)
    ? propertyOf(node)
    : undefined;
}

const layers: Deno.lint.Rule = {
  create(context) {
    const here = fileUrl(context.filename);
    const folder = folderOf(projectPath(here));
    const forbidden = FORBIDDEN[folder] ?? FORBIDDEN_ELSEWHERE;
    const check = (node: Deno.lint.Node, source: Deno.lint.Node | null | undefined) => {
      const text = textOf(source);
      if (text === undefined || !/^(\.|\/|file:)/.test(text)) return;
      const target = folderOf(projectPath(new URL(text, here)));
      if (!forbidden.includes(target)) return;
      const from = folder === "" ? "A file at the top" : `${folder}/`;
      context.report({
        node,
        message: `${from} must not import from ${target}/`,
        hint: "main -> {client, server} -> core",
      });
    };
    return {
      ImportDeclaration: (node) => check(node, node.source),
      ImportExpression: (node) => check(node, node.source),
      ExportAllDeclaration: (node) => check(node, node.source),
      ExportNamedDeclaration: (node) => check(node, node.source),
      TSImportType: (node) => check(node, node.argument),
      // A Worker is loaded by address.
      NewExpression(node) {
        if (node.callee.type === "Identifier" && node.callee.name === "URL") check(node, node.arguments[0]);
      },
    };
  },
};

const ambient: Deno.lint.Rule = {
  create(context) {
    if (AMBIENT_ALLOWED.test(projectPath(fileUrl(context.filename)) ?? "")) return {};
    const report = (node: Deno.lint.Node, what: string) =>
      context.report({ node, message: `${what} is not under the control of tests`, hint: HINT });
    return {
      MemberExpression(node) {
        const object = globalOf(node.object), property = propertyOf(node);
        if (object !== undefined && property !== undefined && Object.hasOwn(AMBIENT_MEMBERS, object)) {
          if (AMBIENT_MEMBERS[object]!.includes(property)) report(node, `${object}.${property}`);
        }
        const name = globalOf(node);
        if (name !== undefined && AMBIENT_FUNCTIONS.includes(name)) report(node, name);
      },
      VariableDeclarator(node) { // const { now } = Date
        if (node.id.type !== "ObjectPattern" || !node.init) return;
        const object = globalOf(node.init);
        for (const property of node.id.properties) {
          if (object === undefined || property.type !== "Property" || property.key.type !== "Identifier") continue;
          const { name } = property.key;
          if (Object.hasOwn(AMBIENT_MEMBERS, object) && AMBIENT_MEMBERS[object]!.includes(name)) {
            report(property, `${object}.${name}`);
          }
          if (object === "globalThis" && AMBIENT_FUNCTIONS.includes(name)) report(property, name);
        }
      },
      Identifier(node) {
        if (AMBIENT_FUNCTIONS.includes(node.name) && isReference(node)) report(node, node.name);
      },
      CallExpression(node) {
        if (globalOf(node.callee) === "Date") report(node, "Date()");
      },
      NewExpression(node) {
        if (globalOf(node.callee) === "Date" && node.arguments.length === 0) report(node, "new Date()");
      },
      ImportDeclaration(node) {
        const source = textOf(node.source)!;
        if (!Object.hasOwn(AMBIENT_MODULES, source)) return;
        const names = AMBIENT_MODULES[source]!;
        if (names.length === 0) return report(node, source);
        for (const specifier of node.specifiers) {
          if (specifier.type !== "ImportSpecifier" || specifier.imported.type !== "Identifier") continue;
          const { name } = specifier.imported;
          if (names.includes(name)) report(specifier, `${name} of ${source}`);
        }
      },
    };
  },
};

/** Whether an identifier means the variable of its name: it is not a member's, a key's or a type's name. */
function isReference(node: Deno.lint.Identifier): boolean {
  const { parent } = node;
  if (parent.type === "MemberExpression") return parent.object === node || parent.computed;
  if (parent.type === "Property") return parent.value === node && parent.parent.type === "ObjectExpression";
  if (parent.type === "TSTypeQuery") return false;
  if (
    /^(MethodDefinition|PropertyDefinition|TSMethodSignature|TSPropertySignature|ImportSpecifier)$/.test(parent.type)
  ) {
    return parent.type === "PropertyDefinition" && parent.value === node;
  }
  return true;
}

/** `lint.plugins` in deno.json names this file. */
const plugin: Deno.lint.Plugin = { name: "dirsync", rules: { layers, ambient } };
export default plugin;
