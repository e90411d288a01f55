using System.Security.Cryptography;
using Microsoft.AspNetCore.DataProtection;

namespace McpCan.Server.Hosting;

/// <summary>Encrypts secrets before they are stored.</summary>
public sealed class SecretProtector(IDataProtectionProvider provider)
{
    private readonly IDataProtector _protector = provider.CreateProtector("MCPCAN.Secrets");

    /// <summary>The text to store.</summary>
    public string Protect(string secret) => _protector.Protect(secret);

    /// <summary>The secret again.</summary>
    /// <exception cref="ProblemException">The stored text cannot be read, for example after a restore without its keys.</exception>
    public string Unprotect(string stored)
    {
        try
        {
            return _protector.Unprotect(stored);
        }
        catch (CryptographicException)
        {
            throw new ProblemException(409, "secret-unreadable", "A stored secret cannot be decrypted with this installation's keys. Enter it again.");
        }
    }
}
