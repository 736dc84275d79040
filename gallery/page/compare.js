/* The effect of sending the chosen files, and the plan for sending them: nothing is replaced unasked, and nothing is sent
twice. */

/**
 * @import { Choice, ComparedFile, FileToPresign } from "../api/schemas.ts"
 * @import { Sendable } from "./check.js"
 * @typedef {"add" | "there" | "elsewhere" | "conflict" | "unknown"} Finding
 * `there`: with this name and content; `elsewhere`: with this content under another name; `conflict`: another photograph
 * has this name; `unknown`: an upload under way has a file of this name.
 * @typedef {Omit<ComparedFile, "under_way_as" | "same_content_under_way"> & { under_way_as?: string[], same_content_under_way?: string[] }} Answer
 * Older servers lack the last two.
 * @typedef {{ file: Sendable, finding: Finding, answer: Answer }} Compared
 * @typedef {Sendable & { path: string, expect?: FileToPresign["expect"] }} Planned `path`: the name as it was dropped
 * @typedef {{ choices: Choices, sendElsewhere: boolean }} Given
 * @typedef {{ send: Planned[], there: Sendable[], skipped: number, waiting: number }} Plan
 */

import { numberedName } from "./names.js";

/** @type {Choice} */
const DEFAULT = "keep_both";

/** @type {(file: Sendable, answer: Answer) => Compared} */
export function found(file, answer) {
  return { file, answer, finding: findingOf(answer) };
}

/** @type {(answer: Answer) => Finding} */
function findingOf({ would, same_content_as: elsewhere }) {
  if (would === "leave_unchanged") return "there";
  if (would === "unknown") return "unknown";
  if (elsewhere.length) return "elsewhere";
  return would === "replace" ? "conflict" : "add";
}

/**
 * Whether a file may be among those of an upload under way, by name or size, or is in the gallery only where such an
 * upload may replace it.
 * @param {{ answer: Answer }} compared
 */
export function mayBeUnderWay({ answer }) {
  const mayLeave = !answer.same_content_as.length && answer.same_content_under_way?.length;
  return Boolean(answer.under_way_as?.length || mayLeave);
}

/** What a person has chosen for files whose name another photograph has. */
export class Choices {
  /** @type {Map<string, { choice: Choice, shown: string | null }>} */
  #made = new Map();
  /** @type {Set<string>} */
  #outdated = new Set();

  /**
   * `shown`: the SHA-256 of the gallery's photograph that the choice was made about, null where there was none.
   * @type {(name: string, choice: Choice, shown: string | null) => void}
   */
  set(name, choice, shown) {
    this.#made.set(name, { choice, shown });
    this.#outdated.delete(name);
  }

  /**
   * As if nobody had chosen.
   * @param {string} name
   */
  forget(name) {
    this.#made.delete(name);
  }

  clear() {
    this.#made.clear();
    this.#outdated.clear();
  }

  /**
   * Forget what was chosen about photographs that the gallery no longer shows.
   * @param {Compared[]} compared
   */
  renew(compared) {
    for (const { file, answer } of compared) {
      const made = this.#made.get(file.name);
      if (!made || made.choice === DEFAULT || made.shown === answer.sha256) continue;
      this.#made.delete(file.name);
      this.#outdated.add(file.name);
    }
  }

  /**
   * Whether a choice was forgotten, and there is no other one yet.
   * @param {string} name
   */
  isOutdated(name) {
    return this.#outdated.has(name);
  }

  /** @type {(name: string) => Choice} */
  of(name) {
    return this.chosen(name) ?? DEFAULT;
  }

  /**
   * Null while nobody has chosen: the default may still change.
   * @param {string} name
   */
  chosen(name) {
    return this.#made.get(name)?.choice ?? null;
  }

  /**
   * What is done with a file; null where it waits, since an upload under way has the name and nobody has chosen: there is
   * nothing to replace before that has ended.
   * @type {(question: { name: string, isWaiting: boolean }) => Choice | null}
   */
  now({ name, isWaiting }) {
    if (!isWaiting) return this.of(name);
    const chosen = this.chosen(name);
    return chosen === "replace" ? null : chosen;
  }

  /**
   * What is done with all of them; null where they differ or wait.
   * @param {{ name: string, isWaiting: boolean }[]} questions
   */
  common(questions) {
    const all = new Set(questions.map((one) => this.now(one)));
    return all.size === 1 ? [...all][0] : null;
  }

  /**
   * Keep both of those that wait.
   * @param {Compared[]} compared
   */
  doNotWait(compared) {
    for (const { file, finding, answer } of compared) {
      if (finding === "unknown" && this.now({ name: file.name, isWaiting: true }) === null) this.set(file.name, DEFAULT, answer.sha256);
    }
  }
}

/**
 * What a person decides about: files whose name another photograph has, or an upload under way.
 * @type {(compared: Compared[], given: Given) => Compared[]}
 */
export function asked(compared, given) {
  const replaced = replacedNames(compared, given);
  return compared.filter((one) => one.finding === "unknown" || isConflict(one, given, replaced));
}

/**
 * What is sent, under which names. `numbered`: the free names for those of which both are kept. A file whose name an
 * upload under way has waits until that is known, or until both are kept or it is skipped by choice.
 * @type {(compared: Compared[], given: Given & { numbered: Map<string, string> }) => Plan}
 */
export function plan(compared, given) {
  const { choices, numbered } = given;
  const replaced = replacedNames(compared, given);
  /** @type {Plan} */
  const planned = { send: [], there: [], skipped: 0, waiting: 0 };
  /** @type {(file: Sendable, expect: string) => void} */
  const send = (file, expect) => void planned.send.push({ ...file, path: file.name, expect });
  for (const one of compared) {
    const { file, finding, answer } = one;
    const isUnknown = finding === "unknown";
    if (!isUnknown && !isConflict(one, given, replaced)) {
      if (finding === "there" || (finding === "elsewhere" && !isSentElsewhere(one, given, replaced))) planned.there.push(file);
      else send(file, "absent");
      continue;
    }
    const choice = choices.now({ name: file.name, isWaiting: isUnknown });
    const name = numbered.get(file.name);
    if (choice === "skip") planned.skipped += 1;
    else if (choice === "keep_both" && name) planned.send.push({ ...file, name, path: file.name, expect: "absent" });
    else if (choice === "replace" && answer.sha256) send(file, answer.sha256);
    else planned.waiting += 1;
  }
  return planned;
}

/** @type {(compared: Compared, given: Given, replaced: Set<string>) => boolean} */
function isConflict(one, given, replaced) {
  return one.finding === "conflict" || (one.answer.would === "replace" && isSentElsewhere(one, given, replaced));
}

/**
 * Whether a file is sent although the gallery has its content: by choice, or since it would have it no longer once all
 * of `replaced` are.
 * @type {(compared: Compared, given: Given, replaced: Set<string>) => boolean}
 */
function isSentElsewhere({ finding, answer }, { sendElsewhere }, replaced) {
  return finding === "elsewhere" && (sendElsewhere || answer.same_content_as.every((name) => replaced.has(name)));
}

/**
 * The names whose photographs are replaced, by what has been chosen. One may bring up another: a file that is sent only
 * since its content would be gone.
 * @type {(compared: Compared[], given: Given) => Set<string>}
 */
function replacedNames(compared, given) {
  /** @type {Set<string>} */
  const replaced = new Set();
  for (;;) {
    const before = replaced.size;
    for (const one of compared) {
      const { name } = one.file;
      if (!replaced.has(name) && given.choices.of(name) === "replace" && isConflict(one, given, replaced)) replaced.add(name);
    }
    if (replaced.size === before) return replaced;
  }
}

/**
 * The first free numbered name for each of `files`, by name. `taken`: names that will be sent as they are; `isFree` asks
 * the gallery about candidates, all of a round together. One that it does not accept as a name (null) ends the search for
 * its file, which then has none.
 * @param {Sendable[]} files
 * @param {Iterable<string>} taken
 * @param {(candidates: Sendable[]) => Promise<(boolean | null)[]>} isFree
 */
export async function numberedNames(files, taken, isFree) {
  const used = new Set(taken);
  /** @type {Map<string, string>} */
  const names = new Map();
  let open = files.map((file) => ({ file, copy: 1 }));
  while (open.length) {
    const candidates = open.map((one) => {
      let name;
      do name = numberedName(one.file.name, ++one.copy);
      while (used.has(name));
      used.add(name);
      return { ...one.file, name };
    });
    const free = await isFree(candidates);
    open.forEach((one, index) => free[index] && names.set(one.file.name, candidates[index].name));
    open = open.filter((_, index) => free[index] === false);
  }
  return names;
}
