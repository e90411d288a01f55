import { result, say } from '../output.js';
import { forget, stored } from '../settings.js';

export default {
  name: 'logout',
  summary: 'Forget the address and the API key',
  async run() {
    const { url } = stored();
    forget();
    say(url ? `Signed out of ${url}. The API key itself is still good: delete it in the console.` : 'Nobody was signed in.');
    result({ url: url ?? null });
  },
};
