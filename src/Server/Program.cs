using McpCan.Server;

return await Cli.RunAsync(args);
