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
#ifndef itkNNTaskManifest_h
#define itkNNTaskManifest_h

#include "itkIntensityNormalization.h"
#include "itkNNConfiguration.h"

#include <string>
#include <vector>

namespace itk
{
namespace nn
{
/** Which subjects of a data set. \ingroup UniverSegTraining */
enum class ManifestSplit : std::uint8_t
{
  Train,
  Validation
};

/** \class ManifestNormalization
 * \brief How the intensities of a data set are brought to [0, 1].
 * \ingroup UniverSegTraining
 */
struct UniverSegTraining_EXPORT ManifestNormalization
{
  std::string method = "minmax"; ///< minmax, minmax-volume, percentile, window or none
  double low = 0.5;              ///< lower percentile, or lower end of the window
  double high = 99.5;            ///< upper percentile, or upper end of the window

  void Describe(ConfigurationTable & table);

  /** Throws Error for an unknown method or an empty range. */
  IntensityNormalization Get() const;
};

/** \class ManifestSubjects
 * \brief Which subjects of a data set are for training and which for validation.
 *
 * Subjects that match one of the regular expressions of `validation` are for
 * validation, those of `train` for training; when only one of the lists is given,
 * all other subjects are for the other purpose. Without lists, a fraction of the
 * subjects is drawn for validation: at least one when the fraction is above 0 and
 * there are two, the same for the same seed and subjects.
 * \ingroup UniverSegTraining
 */
struct UniverSegTraining_EXPORT ManifestSubjects
{
  std::vector<std::string> train;
  std::vector<std::string> validation;
  double fraction = 0; ///< for validation, in [0, 1)
  std::int64_t seed = 1;

  void Describe(ConfigurationTable & table);

  /** The subjects for a purpose, in the order given.
   * \param subjects different names. Throws Error when one matches both lists. */
  std::vector<std::string> Select(const std::vector<std::string> & subjects, ManifestSplit split) const;
};

/** An image and its labels. \ingroup UniverSegTraining */
struct ManifestCase
{
  std::string image; ///< name of a file
  std::string label; ///< name of a file
  std::string subject;
};

/** \class ManifestDataset
 * \brief A table [[dataset]] of a TaskManifest. Names of files are relative to the
 * root of the manifest.
 * \ingroup UniverSegTraining
 */
struct UniverSegTraining_EXPORT ManifestDataset
{
  std::string name;
  double weight = 1;                  ///< share of the tasks, relative to the others; at least 0
  std::string licence;                ///< for people
  std::string images;                 ///< folder, or pattern with * and ?
  std::vector<std::string> exclude;   ///< patterns of file names that are no images
  std::string labels;                 ///< with {stem}, {name}, {folder} and {1} to {9}
  std::string subject;                ///< regular expression on the file name
  std::string kind = "label map";     ///< or "rgb" or "binary"
  ConfigurationNamedLists structures; ///< names with their values
  ManifestNormalization normalization;
  std::vector<std::int64_t> axes{ 0, 1, 2 }; ///< across which volumes are cut into slices
  double minimumArea = 0.001;                ///< fraction of a slice that a structure has to cover
  ManifestSubjects split;
  std::int64_t line = 0; ///< of the file

  void Describe(ConfigurationTable & table);

  /** Throws Error that names what is missing or out of its range. */
  void Check() const;

  /** The images, each with its labels, sorted by name. Throws Error when there is
   * none, the file of labels is not there, or a pattern is none.
   * \param root folder. */
  std::vector<ManifestCase> FindCases(const std::string & root) const;
};

/** \class TaskManifest
 * \brief Description of training data by a TOML file: folders of images and label
 * maps. Documentation/training-data.md explains every key.
 * \ingroup UniverSegTraining
 */
struct UniverSegTraining_EXPORT TaskManifest
{
  std::string fileName;            ///< for messages
  std::string root;                ///< folder, without variables
  std::int64_t memoryLimit = 4096; ///< of the pixels in memory, in MiB
  std::vector<ManifestDataset> datasets;

  void Describe(ConfigurationTable & table);

  /** Read and check a file. The root is relative to the folder of the file; a
   * `$NAME` in front is a variable of the environment. Throws Error. */
  static TaskManifest ReadFile(const std::string & fileName);
};
/** A path with the variable of the environment in front of it, `$NAME/...`,
 * replaced by its value. Throws Error when there is no such variable.
 * \param key that the path is the value of, for the message.
 * \ingroup UniverSegTraining */
UniverSegTraining_EXPORT std::string ExpandPathVariable(const std::string & path, const std::string & key);
} // namespace nn
} // namespace itk

#endif
