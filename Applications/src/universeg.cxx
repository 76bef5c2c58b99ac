/*=========================================================================
 *
 *  Copyright itk-universeg developers
 *
 *  Licensed under the Apache License, Version 2.0 (the "License");
 *  you may not use this file except in compliance with the License.
 *  You may obtain a copy of the License at
 *
 *         https://www.apache.org/licenses/LICENSE-2.0.txt
 *
 *  Unless required by applicable law or agreed to in writing, software
 *  distributed under the License is distributed on an "AS IS" BASIS,
 *  WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied.
 *  See the License for the specific language governing permissions and
 *  limitations under the License.
 *
 *=========================================================================*/
#include "universegCommandLine.h"
#include "universegImages.h"
#include "universegSubcommands.h"

#include "itkMacro.h"

#include <algorithm>
#include <iostream>
#include <new>

namespace
{
struct Subcommand
{
  const char * name;
  const char * summary;
  int (*run)(const universeg::Arguments &);
};

constexpr Subcommand subcommands[] = {
  { "segment", "segment images like the examples of a support set, or with a trained network", &universeg::RunSegment },
  { "evaluate", "compare label images with references: Dice, Jaccard, volumes", &universeg::RunEvaluate },
  { "explain", "print what a network computes, and what it was rewritten to", &universeg::RunExplain },
  { "forward", "run a network on raw tensors", &universeg::RunForward },
  { "convert", "make a model file from weights", &universeg::RunConvert },
  { "info", "describe a model or weight file", &universeg::RunInfo },
  { "bench", "measure the network's speed and memory", &universeg::RunBench },
  { "train", "train a network on tasks or on labelled volumes", &universeg::RunTrain },
  { "pretrain", "train a network on volumes without labels", &universeg::RunPretrain },
  { "finetune", "make a model better for the structures of a support set", &universeg::RunFinetune },
  { "adapt", "add a task to a 3D U2-Net and train it", &universeg::RunAdapt },
  { "preprocess", "prepare volumes for the 3D U2-Net", &universeg::RunPreprocess },
  { "explore", "describe the images and labels of data sets", &universeg::RunExplore },
  { "volume-fusion", "make samples that networks are pre-trained with", &universeg::RunVolumeFusion },
  { "deform", "deform images and labels alike, as for augmentation", &universeg::RunDeform },
  { "demo", "segment images made on the spot and show the result", &universeg::RunDemo },
};

void
PrintHelp(std::ostream & os)
{
  os << "Usage: universeg SUBCOMMAND [OPTION]...\n\n"
        "Universal medical image segmentation.\n\n"
        "Subcommands:\n";
  for (const Subcommand & subcommand : subcommands)
  {
    std::string name = subcommand.name;
    name.resize(15, ' ');
    os << "  " << name << subcommand.summary << '\n';
  }
  os << "\n'universeg SUBCOMMAND --help' describes one. 'universeg --version' prints the version.\n"
        "Exit codes: 0 success, 2 wrong usage, 1 any other failure.\n";
}

int
Fail(const std::string & where, const std::string & message, int code)
{
  std::cerr << where << ": " << universeg::ToOneLine(message);
  if (code == universeg::exitUsage)
  {
    std::cerr << " (see '" << where << " --help')";
  }
  std::cerr << std::endl;
  return code;
}
} // namespace

int
main(int argc, char * argv[])
{
  const std::string first = argc > 1 ? argv[1] : "";
  if (first == "--help" || first == "-h" || first == "help")
  {
    PrintHelp(std::cout);
    return universeg::exitSuccess;
  }
  if (first == "--version")
  {
    std::cout << "universeg " << UNIVERSEG_VERSION << std::endl;
    return universeg::exitSuccess;
  }
  if (first.empty())
  {
    return Fail("universeg", "a subcommand is missing", universeg::exitUsage);
  }
  const auto found = std::find_if(std::begin(subcommands),
                                  std::end(subcommands),
                                  [&](const Subcommand & subcommand) { return first == subcommand.name; });
  if (found == std::end(subcommands))
  {
    return Fail("universeg", "there is no subcommand '" + first + "'", universeg::exitUsage);
  }

  const std::string where = "universeg " + first;
  try
  {
    universeg::QuietLibraries();
    const int code = found->run(universeg::Arguments(argv + 2, argv + argc));
    std::cout.flush();
    if (code == universeg::exitSuccess && !std::cout)
    {
      return Fail(where, "writing to the standard output failed", universeg::exitFailure);
    }
    return code;
  }
  catch (const universeg::UsageError & error)
  {
    return Fail(where, error.what(), universeg::exitUsage);
  }
  catch (const itk::ExceptionObject & error)
  {
    return Fail(where, error.GetDescription(), universeg::exitFailure);
  }
  catch (const std::bad_alloc &)
  {
    return Fail(where, "out of memory", universeg::exitFailure);
  }
  catch (const std::exception & error)
  {
    return Fail(where, error.what(), universeg::exitFailure);
  }
}
