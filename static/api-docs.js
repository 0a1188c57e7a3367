// Shows the two documents and lets one try the routes. What comes from the
// server is only ever put in as text.
'use strict';

let token = null;

/** An element with attributes and children; text stays text. */
function make(name, attributes = {}, ...children) {
  const element = Object.assign(document.createElement(name), attributes);
  element.append(...children);
  return element;
}

const objects = new Set();

/** JSON to read; the names of objects lead to them. */
function shown(value) {
  const parts = (typeof value === 'string' ? value : JSON.stringify(value, null, 2)).split(/\b([A-Z]\w+)\b/);
  return make('pre', {}, make('code', {}, ...parts.map((part) =>
    (objects.has(part) ? make('a', { href: `#${part}`, textContent: part }) : part))));
}

/** Opens the object that the address names. */
function openAddressed() {
  const section = document.getElementById(location.hash.slice(1));
  if (section?.tagName !== 'DETAILS') return;
  section.open = true;
  section.scrollIntoView();
}

/** A schema without its references, one level deep: what a reader wants to see. */
function outline(schema) {
  if (!schema) return 'anything';
  if (schema.$ref) return schema.$ref.split('/').pop();
  if (schema.oneOf) return schema.oneOf.map(outline).join(' | ');
  if (schema.type === 'array') return [outline(schema.items)];
  if (schema.properties) {
    return Object.fromEntries(Object.entries(schema.properties).map(([name, inner]) => {
      const optional = !(schema.required ?? []).includes(name);
      return [optional ? `${name}?` : name, outline(inner)];
    }));
  }
  if ('const' in schema) return schema.const;
  return schema.enum?.join(' | ') ?? [schema.type].flat().join(' | ');
}

function section(title, ...content) {
  return make('details', {}, make('summary', {}, ...title), make('div', {}, ...content));
}

/** A form that sends the request and shows what comes back. */
function trial(method, path, operation) {
  const form = make('form', { className: 'try' });
  for (const { name, required } of operation.parameters ?? []) {
    form.append(make('label', {}, required ? name : `${name} (optional)`, make('input', { name, required })));
  }
  const body = operation.requestBody?.content['application/json'].schema;
  if (body) {
    const example = JSON.stringify(outline(body), null, 2);
    form.append(make('label', {}, 'Body', make('textarea', { name: ' body', value: example })));
  }
  const answer = make('div', { ariaLive: 'polite' });
  form.append(make('button', {}, 'Send'), answer);
  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    answer.replaceChildren(await send(method, path, operation, new FormData(form)));
  });
  return form;
}

async function send(method, path, operation, fields) {
  const query = new URLSearchParams();
  let target = path;
  for (const { name, in: place } of operation.parameters ?? []) {
    const value = fields.get(name);
    if (place === 'path') target = target.replace(`{${name}}`, encodeURIComponent(value));
    else if (value) query.set(name, value);
  }
  const headers = {};
  if (token) headers.authorization = `Bearer ${token}`;
  const body = fields.get(' body') ?? undefined;
  if (body !== undefined) headers['content-type'] = 'application/json';
  try {
    const url = query.size ? `${target}?${query}` : target;
    const response = await fetch(url, { method, headers, body });
    const text = await response.text();
    const json = (response.headers.get('content-type') ?? '').startsWith('application/json');
    return make('div', {}, make('p', { textContent: `${response.status}` }),
      json ? shown(JSON.parse(text)) : make('pre', { textContent: text }));
  } catch (error) {
    return make('p', { textContent: `No answer: ${error.message}` });
  }
}

function routes({ paths }) {
  return Object.entries(paths).flatMap(([path, item]) => Object.entries(item).map(([method, operation]) => {
    const name = method.toUpperCase();
    const title = [make('span', { className: 'method', textContent: name }), make('code', { className: 'name', textContent: path }), make('span', { className: 'quiet', textContent: operation.summary })];
    const schema = Object.values(operation.responses)[0].content?.['application/json']?.schema;
    const data = schema?.properties?.data;
    return section(title,
      make('p', { className: 'quiet', textContent: operation.description ?? '' }),
      ...(data ? ['data: ', shown(outline(data))] : []), trial(name, path, operation));
  }));
}

function events({ channels, operations }, action) {
  const { messages } = channels.root;
  return Object.entries(operations).filter(([, one]) => one.action === action).map(([name, one]) => {
    const ack = messages[`${name}.ack`]?.payload.oneOf[0].properties.data;
    return section([make('code', { className: 'name', textContent: name }), make('span', { className: 'quiet', textContent: one.summary })],
      shown(outline(messages[name].payload)), ...(ack ? ['data: ', shown(outline(ack))] : []));
  });
}

function login(form) {
  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    const body = JSON.stringify(Object.fromEntries(new FormData(form)));
    const headers = { 'content-type': 'application/json' };
    const reply = await fetch('/api/auth/login', { method: 'POST', headers, body }).then((one) => one.json());
    token = reply.data?.token ?? null;
    document.querySelector('#who').textContent = token ? `Logged in as ${reply.data.user.name}.` : reply.message;
  });
}

async function show() {
  login(document.querySelector('#login'));
  const load = (name) => fetch(`/api-docs/${name}.json`).then((response) => response.json());
  const [rest, live] = await Promise.all([load('openapi'), load('asyncapi')]);
  const schemas = { ...live.components.schemas, ...rest.components.schemas };
  for (const name of Object.keys(schemas)) objects.add(name);
  document.querySelector('#about').textContent = rest.info.description;
  document.querySelector('#routes').append(...routes(rest));
  document.querySelector('#asked').append(...events(live, 'receive'));
  document.querySelector('#told').append(...events(live, 'send'));
  const named = Object.entries(schemas).sort(([one], [other]) => one.localeCompare(other));
  document.querySelector('#schemas').append(...named.map(([name, schema]) => Object.assign(
    section([make('code', { className: 'name', textContent: name })],
      make('p', { className: 'quiet', textContent: schema.description ?? '' }), shown(schema)), { id: name })));
  addEventListener('hashchange', openAddressed);
  openAddressed();
}

show();
