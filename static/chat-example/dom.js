// Elements. People's text reaches the page as text nodes only.

export const $ = (id) => document.getElementById(id);

/** An element; children are elements or text, never markup. */
export function el(tag, attributes, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (name.startsWith('on')) node.addEventListener(name.slice(2), value);
    else if (value === true) node.setAttribute(name, '');
    else if (value !== false && value != null) node.setAttribute(name, value);
  }
  node.append(...children.filter((child) => child != null && child !== '' && child !== false));
  return node;
}

export function icon(name) {
  const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
  const use = document.createElementNS('http://www.w3.org/2000/svg', 'use');
  use.setAttribute('href', `#i-${name}`);
  svg.setAttribute('aria-hidden', 'true');
  svg.append(use);
  return svg;
}

/**
 * Makes the children of `parent` those of `items`, keeping elements that stay: focus, scroll and screen readers are not
 * disturbed.
 */
export function list(parent, items, key, make) {
  const old = new Map([...parent.children].map((node) => [node.dataset.key, node]));
  let at = parent.firstElementChild;
  for (const item of items) {
    const id = String(key(item));
    const content = JSON.stringify(item);
    let node = old.get(id);
    old.delete(id);
    if (!node || node.content !== content) {
      const made = Object.assign(make(item), { content });
      made.dataset.key = id;
      if (node) {
        if (at === node) at = made;
        const focused = node.contains(document.activeElement) && document.activeElement;
        made.tabIndex = node.tabIndex;
        node.replaceWith(made);
        if (focused) (focused === node ? made : made.querySelector('textarea, button') ?? made).focus();
      }
      node = made;
    }
    if (node === at) at = at.nextElementSibling;
    else parent.insertBefore(node, at);
  }
  for (const node of old.values()) node.remove();
}

/** Arrow keys, Home and End walk through what `items` gives; Tab passes by in one step. */
export function rove(parent, items) {
  parent.addEventListener('keydown', (event) => {
    const all = items();
    const at = all.indexOf(document.activeElement);
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: all.length - 1 }[event.key];
    if (at < 0 || to === undefined) return;
    event.preventDefault();
    all[Math.min(Math.max(to, 0), all.length - 1)].focus();
  });
}

export function hueOf(id) {
  let hash = 7;
  for (const character of String(id)) hash = (hash * 31 + character.codePointAt(0)) % 997;
  return (hash * 47) % 360;
}

export function avatar(id, name, extra = '', online = false) {
  const words = name.trim().split(/\s+/);
  const letters = words.length > 1 ? [words[0], words.at(-1)] : [words[0]];
  const node = el('span', { class: `avatar ${extra}${online ? ' online' : ''}`, 'aria-hidden': 'true' });
  node.dataset.letters = letters.map((word) => [...word][0] ?? '').join('').toUpperCase();
  node.style.setProperty('--hue', hueOf(id));
  return node;
}

export function personText(name, detail) {
  return el('span', { class: 'text' }, el('strong', { dir: 'auto' }, name), detail ? el('span', { class: 'quiet' }, detail) : null);
}

/** A button that acts on the second click. */
export function beSure(button, question, act) {
  const usual = [...button.childNodes];
  let timer = 0;
  const calm = () => { clearTimeout(timer); timer = 0; button.replaceChildren(...usual); };
  button.addEventListener('click', () => {
    if (timer) { calm(); act(); return; }
    button.replaceChildren(question);
    timer = setTimeout(calm, 4_000);
  });
  button.addEventListener('blur', calm);
}

/** A short menu at `anchor`: entries `{text, icon, act, danger, sure}`; `top` and `note` stand above and below. */
export function menu(anchor, label, entries, { top, note } = {}) {
  const box = el('div', { class: 'menu', popover: 'auto' });
  const choose = (act) => () => { box.hidePopover(); act(); };
  const items = entries.map(({ text, icon: sign, act, danger, sure }) => {
    const item = el('button', { type: 'button', role: 'menuitem', class: danger ? 'danger' : null }, icon(sign), text);
    if (sure) beSure(item, sure, choose(act));
    else item.addEventListener('click', choose(act));
    return item;
  });
  const body = el('div', { role: 'menu', 'aria-label': label }, ...items);
  box.append(...[top?.(() => box.hidePopover()), items.length ? body : null, note ? el('p', { class: 'quiet note' }, note) : null].filter(Boolean));
  const all = () => [...box.querySelectorAll('button')];
  rove(box, all);
  const back = document.activeElement;
  box.addEventListener('toggle', (event) => {
    if (event.newState !== 'closed') return;
    const inside = box.contains(document.activeElement) || document.activeElement === document.body;
    box.remove();
    if (inside && back?.isConnected) back.focus();
  });
  (anchor.closest('dialog') ?? $('app')).append(box);
  box.showPopover();
  place(box, anchor);
  all()[0]?.focus();
}

function place(box, anchor) {
  const at = anchor.getBoundingClientRect();
  const { offsetWidth: width, offsetHeight: height } = box;
  const left = Math.min(Math.max(8, at.right - width), innerWidth - width - 8);
  const top = at.bottom + 6 + height < innerHeight ? at.bottom + 6 : Math.max(8, at.top - height - 6);
  Object.assign(box.style, { left: `${left}px`, top: `${top}px` });
}

// ----------------------------------------------------------------- toasts

/** Says something at the edge for a few seconds; a click on it does `act`. */
export function toast(key, face, title, text, act) {
  for (const one of $('toasts').children) if (one.dataset.key === key) one.remove();
  const box = el('button', { class: 'toast', type: 'button', onclick: () => { act?.(); box.remove(); } },
    face, el('span', { class: 'text' }, title ? el('strong', { dir: 'auto' }, title) : null, el('span', { dir: 'auto' }, text)));
  box.dataset.key = key;
  $('toasts').append(box);
  while ($('toasts').children.length > 3) $('toasts').firstChild.remove();
  setTimeout(() => box.remove(), 6_000);
}

export const dropToasts = (key) => [...$('toasts').children].filter((one) => one.dataset.key === key).forEach((one) => one.remove());
export const complain = (text) => toast('failure', el('span', { class: 'sign bad', 'aria-hidden': 'true' }, '!'), '', text);
