// The official JavaScript client against the server of $KUBECONFIG: an informer, server-side apply, and two who want one
// Lease. Run by clients_test.cpp with the folder of node_modules/ that holds @kubernetes/client-node as its argument.
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';

const require = createRequire(pathToFileURL(process.argv[2] + '/'));
const k8s = await import(pathToFileURL(require.resolve('@kubernetes/client-node')));

const config = new k8s.KubeConfig();
config.loadFromDefault();
const objects = config.makeApiClient(k8s.CustomObjectsApi);
const core = config.makeApiClient(k8s.CoreV1Api);
const coordination = config.makeApiClient(k8s.CoordinationV1Api);
const namespace = 'javascript';
const apps = { group: 'infra.gantry.dev', version: 'v1alpha1', namespace, plural: 'apps' };

async function until(what, holds) {
  const end = Date.now() + 30_000;
  while (!(await holds())) {
    assert(Date.now() < end, `timed out waiting until ${what}`);
    await new Promise((done) => setTimeout(done, 50));
  }
  console.log(`ok: ${what}`);
}

async function refused(code, request) {
  await assert.rejects(request, (error) => error.code === code);
  console.log(`ok: refused with ${code}`);
}

await core.createNamespace({ body: { metadata: { name: namespace } } });

// Informer.
const seen = [];
const path = `/apis/${apps.group}/${apps.version}/namespaces/${namespace}/apps`;
const informer = k8s.makeInformer(config, path, () => objects.listNamespacedCustomObject(apps));
for (const verb of ['add', 'update', 'delete']) informer.on(verb, (app) => seen.push(`${verb} ${app.metadata.name}`));
informer.on('error', (error) => seen.push(`error ${error}`));
await informer.start();

const app = (spec) => ({ apiVersion: 'infra.gantry.dev/v1alpha1', kind: 'App', metadata: { name: 'web' }, spec });
const apply = (body, fieldManager, force) =>
  objects.patchNamespacedCustomObject({ ...apps, name: 'web', body, fieldManager, force },
    k8s.setHeaderOptions('Content-Type', 'application/apply-patch+yaml'));

// Server-side apply.
await apply(app({ image: 'nginx:1', env: [{ name: 'A', value: '1' }] }), 'one');
await until('the informer has heard of the App', () => seen.includes('add web'));
assert.equal(informer.get('web', namespace).spec.replicas, 1, 'defaults are filled in');
await refused(409, apply(app({ image: 'nginx:2' }), 'two'));
await apply(app({ image: 'nginx:2', env: [{ name: 'B', value: '2' }] }), 'two', true);
await until('the informer has heard of the change', () => informer.get('web', namespace).spec.image === 'nginx:2');
const web = await objects.getNamespacedCustomObject({ ...apps, name: 'web' });
assert.deepEqual(web.spec.env.map((entry) => entry.name), ['A', 'B']);
assert.deepEqual(web.metadata.managedFields.map((entry) => entry.manager).sort(), ['one', 'two']);
await refused(422, apply(app({ image: 'nginx:2', replicas: 1000 }), 'two', true));

// Merge patch, scale, delete.
const merge = k8s.setHeaderOptions('Content-Type', 'application/merge-patch+json');
await objects.patchNamespacedCustomObjectScale({ ...apps, name: 'web', body: { spec: { replicas: 3 } } }, merge);
await until('the informer has heard of the scaling', () => informer.get('web', namespace).spec.replicas === 3);
await objects.deleteNamespacedCustomObject({ ...apps, name: 'web' });
await until('the informer has heard of the end', () => seen.includes('delete web'));
assert(!seen.some((line) => line.startsWith('error')), seen.join());
await informer.stop();

// Leader election, as leader-elect libraries do it: whoever writes first from what was read.
const lease = (holder) => ({
  metadata: { name: 'leader' },
  spec: { holderIdentity: holder, leaseDurationSeconds: 15, renewTime: new k8s.V1MicroTime() },
});
await coordination.createNamespacedLease({ namespace, body: lease('first') });
await refused(409, coordination.createNamespacedLease({ namespace, body: lease('second') }));
const read = await coordination.readNamespacedLease({ namespace, name: 'leader' });
const takeover = (holder) => {
  const body = structuredClone({ metadata: read.metadata });
  body.spec = { ...lease(holder).spec, leaseTransitions: 1 };
  return coordination.replaceNamespacedLease({ namespace, name: 'leader', body });
};
await takeover('second');
await refused(409, takeover('third'));
const held = await coordination.readNamespacedLease({ namespace, name: 'leader' });
assert.equal(held.spec.holderIdentity, 'second');

// A typed kind, and how an error looks.
await core.createNamespacedSecret({ namespace, body: { metadata: { name: 's' }, stringData: { p: 'hi' } } });
assert.equal((await core.readNamespacedSecret({ namespace, name: 's' })).data.p, 'aGk=');
await refused(404, core.readNamespacedSecret({ namespace, name: 'none' }));
await core.deleteNamespace({ name: namespace });
console.log('done');
