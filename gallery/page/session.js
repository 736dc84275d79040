/* Who is here: the gallery and the token of an upload link, or the key that was typed in.

A token stands in the link's fragment, which browsers send to no server. It is moved to sessionStorage, which ends
with the tab and survives a reload, and leaves the address bar at once, so that it gets into no bookmark, history or
screenshot. */

const store = {
  // Storage may be forbidden altogether; then the session lasts until the reload.
  /** @type {Map<string, string>} */
  memory: new Map(),
  /** @param {string} key */
  get(key) {
    try {
      return sessionStorage.getItem(key) ?? this.memory.get(key) ?? "";
    } catch {
      return this.memory.get(key) ?? "";
    }
  },
  /** @type {(key: string, value: string) => void} */
  set(key, value) {
    this.memory.set(key, value);
    try {
      sessionStorage.setItem(key, value);
    } catch {
      /* kept in memory */
    }
  },
};

export class Session {
  constructor() {
    this.galleryId = new URLSearchParams(location.search).get("gallery") || store.get("gallery");
    const given = Session.takeToken();
    this.token = given || store.get(`token/${this.galleryId}`);
    if (given) store.set(`token/${this.galleryId}`, given);
  }

  get isOpen() {
    return Boolean(this.galleryId && this.token);
  }

  /** @type {(galleryId: string, token: string) => void} */
  open(galleryId, token) {
    this.galleryId = galleryId;
    this.renew(token);
    store.set("gallery", galleryId);
  }

  /** @param {string} token */
  renew(token) {
    this.token = token;
    store.set(`token/${this.galleryId}`, token);
  }

  /** The token of the address, which is no longer in it afterwards; "" where there is none. */
  static takeToken() {
    const token = new URLSearchParams(location.hash.slice(1)).get("token") || "";
    if (token) history.replaceState(null, "", location.pathname + location.search);
    return token;
  }
}
