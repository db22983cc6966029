// The providers' own packages, one question per line of JSON in, one answer per line out.
import { createInterface } from 'node:readline';
import { AlipaySdk } from 'alipay-sdk';
import Stripe from 'stripe';

const stripe = new Stripe('sk_test_nobody');

const alipay = ({ appId, privateKey, publicKey, gateway }) =>
  new AlipaySdk({ appId, privateKey, alipayPublicKey: publicKey, gateway, keyType: 'PKCS8' });

const answers = {
  'stripe.verify': ({ payload, header, secret }) =>
    stripe.webhooks.constructEvent(payload, header, secret).id,
  'stripe.sign': ({ payload, secret, timestamp }) =>
    stripe.webhooks.generateTestHeaderString({ payload, secret, timestamp }),
  'stripe.call': ({ key, host, port, path, wanted, idempotencyKey }) =>
    new Stripe(key, { host, port, protocol: 'http', maxNetworkRetries: 0 }).rawRequest(
      'POST',
      path,
      wanted,
      { idempotencyKey },
    ),
  'alipay.verify': ({ words, ...keys }) => alipay(keys).checkNotifySignV2(words),
  'alipay.call': ({ method, words, ...keys }) =>
    alipay(keys).exec(method, words, { validateSign: true }),
  'alipay.page': ({ method, words, ...keys }) => alipay(keys).pageExecute(method, 'GET', words),
};

for await (const line of createInterface({ input: process.stdin })) {
  const { ask, ...about } = JSON.parse(line);
  try {
    console.log(JSON.stringify({ answer: await answers[ask](about) }));
  } catch (failure) {
    console.log(JSON.stringify({ failure: String(failure.message) }));
  }
}
