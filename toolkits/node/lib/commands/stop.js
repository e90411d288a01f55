import { turn } from '../turn.js';

export default turn('stop', 'Stop a server; what its next start needs stays', 'is stopped');
